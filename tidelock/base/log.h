// The structured log: a message, and what it is about as named fields.
//
//   Log log(runtime, LogLevel::info, {std::make_shared<TextLog>()});
//   log.warning("lease lost", {{"key", key}, {"token", token}, {"late_by", late_by}});
//
// Logging never fails its caller: what a sink throws is counted in lost() and else forgotten. Secrets print as ***, and
// so does any text in a field that names_a_secret().
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/base/secret.h"
#include "tidelock/base/time.h"

namespace tidelock::base {

enum class LogLevel { debug, info, warning, error };
std::string_view name(LogLevel level);

// What a field holds. Text is borrowed: for the call only.
class LogValue {
 public:
  using Variant = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, Duration>;

  LogValue(std::string_view text) : value_(text) {}    // NOLINT(google-explicit-constructor): read as a value.
  LogValue(const std::string& text) : value_(text) {}  // NOLINT(google-explicit-constructor)
  LogValue(const char* text) : value_(text) {}         // NOLINT(google-explicit-constructor)
  LogValue(bool value) : value_(value) {}              // NOLINT(google-explicit-constructor)
  LogValue(double value) : value_(value) {}            // NOLINT(google-explicit-constructor)
  LogValue(const Secret&) : value_(kMasked) {}         // NOLINT(google-explicit-constructor)
  template <typename Rep, typename Period>
  LogValue(std::chrono::duration<Rep, Period> value)  // NOLINT(google-explicit-constructor)
      : value_(std::chrono::duration_cast<Duration>(value)) {}
  template <std::signed_integral T>
  LogValue(T value) : value_(std::int64_t{value}) {}  // NOLINT(google-explicit-constructor)
  template <std::unsigned_integral T>
  LogValue(T value) : value_(std::uint64_t{value}) {}  // NOLINT(google-explicit-constructor)

  const Variant& get() const { return value_; }

 private:
  Variant value_;
};

struct LogField {
  std::string_view name;
  LogValue value;
};

// One entry, valid during LogSink::write() only.
struct LogRecord {
  WallTime time;
  LogLevel level;
  std::string_view message;
  std::span<const LogField> fields;
};

// Where entries go. Thread-safe; may throw.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const LogRecord& record) = 0;
};

// Thread-safe. Borrows the runtime for the time of day.
class Log {
 public:
  Log(Runtime& runtime, LogLevel threshold, std::vector<std::shared_ptr<LogSink>> sinks)
      : runtime_(runtime), threshold_(threshold), sinks_(std::move(sinks)) {}

  // Whether an entry of this level goes anywhere; ask before preparing costly fields.
  bool enabled(LogLevel level) const { return level >= threshold_ && !sinks_.empty(); }

  // False when a sink failed to take it; the others have it.
  bool write(LogLevel level, std::string_view message, std::span<const LogField> fields) noexcept;

  using Fields = std::initializer_list<LogField>;
  void debug(std::string_view message, Fields fields = {}) noexcept { write(LogLevel::debug, message, fields); }
  void info(std::string_view message, Fields fields = {}) noexcept { write(LogLevel::info, message, fields); }
  void warning(std::string_view message, Fields fields = {}) noexcept { write(LogLevel::warning, message, fields); }
  void error(std::string_view message, Fields fields = {}) noexcept { write(LogLevel::error, message, fields); }

  // How often a sink failed to take an entry.
  std::uint64_t lost() const { return lost_.load(); }

 private:
  void write(LogLevel level, std::string_view message, Fields fields) noexcept {
    write(level, message, std::span(fields.begin(), fields.size()));
  }

  Runtime& runtime_;
  const LogLevel threshold_;
  const std::vector<std::shared_ptr<LogSink>> sinks_;
  std::atomic<std::uint64_t> lost_{0};
};

// 2026-01-31T23:59:59.000001Z
std::string format_wall_time(WallTime time);

}  // namespace tidelock::base
