#include "tidelock/cli/progress_lines.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "tidelock/pipeline/market_clock.h"

namespace tidelock::cli {
namespace {

using pipeline::Progress;

// Of this machine's clock and zone.
std::string time_of_day(base::WallTime now) {
  const auto seconds =
      static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:%H:%M:%S}", local);
}

// An engine may explain itself at length; the state has all of it.
constexpr std::size_t kTextBytesMax = 400;

// Short, and nothing in it moves the cursor.
std::string harmless(std::string text, bool whole) {
  if (!whole && text.size() > kTextBytesMax) {
    auto end = kTextBytesMax;
    while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // Not within a character.
    text.replace(end, std::string::npos, "…");
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\x1b') c = '?';
  }
  return text;
}

}  // namespace

bool ProgressLines::wanted(const Progress& progress) const {
  if (progress.level >= base::LogLevel::warning) return true;
  switch (amount_) {
    case Amount::warnings:
      return false;
    case Amount::usual:
      return progress.kind != Progress::Kind::detail;
    case Amount::everything:
      return true;
  }
  return true;
}

void ProgressLines::operator()(const Progress& progress) {
  if (!wanted(progress)) return;
  auto line = time_of_day(runtime_.wall_now());
  if (progress.market) line += "  " + pipeline::local_time(*progress.market, zone_);
  line += "  ";
  if (progress.level >= base::LogLevel::warning) line += fmt::format("{}: ", name(progress.level));
  if (!progress.about.empty()) {
    line += fmt::format("{}{}", progress.about, progress.kind == Progress::Kind::output ? " | " : ": ");
  }
  line += harmless(progress.text, progress.kind == Progress::Kind::output) + "\n";
  const base::LocalGuard guard(mutex_);
  out_ << line << std::flush;
}

}  // namespace tidelock::cli
