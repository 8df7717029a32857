#include "tidelock/base/log.h"

#include <fmt/format.h>

#include <cstdlib>
#include <exception>

namespace tidelock::base {

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  std::terminate();
}

bool Log::write(LogLevel level, std::string_view message, std::span<const LogField> fields) noexcept {
  if (!enabled(level)) return true;
  const LogRecord record{runtime_.wall_now(), level, message, fields};
  bool taken = true;
  for (const auto& sink : sinks_) {
    try {
      sink->write(record);
    } catch (...) {
      ++lost_;
      taken = false;
    }
  }
  return taken;
}

std::string format_wall_time(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

}  // namespace tidelock::base
