// Where the log goes: lines of text, lines of JSON, or the memory of this program.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/log.h"

namespace tidelock::base {

// Takes one line, its newline included. Called by several tasks at once.
using LineWriter = std::function<void(std::string_view line)>;

// Writes to the program's standard error, a line at once. Throws when it is closed or full.
LineWriter stderr_writer();

// For people, as logfmt:
//   time=2026-01-31T23:59:59.000001Z level=warning msg="lease lost" key=orders token=17 late_by=1s500ms
// A value with spaces, quotes, control characters or an '=' stands in quotes, escaped; so an entry is always one line.
class TextLog final : public LogSink {
 public:
  explicit TextLog(LineWriter writer = stderr_writer()) : writer_(std::move(writer)) {}
  void write(const LogRecord& record) override;

 private:
  LineWriter writer_;
};

// For programs: an object a line, with "time", "level", "message" and the fields beside them. A field of one of those
// names has '_' put behind it. Durations are text as format_duration() gives it; what is not UTF-8 becomes U+FFFD.
class JsonLog final : public LogSink {
 public:
  explicit JsonLog(LineWriter writer = stderr_writer()) : writer_(std::move(writer)) {}
  void write(const LogRecord& record) override;

 private:
  LineWriter writer_;
};

// Keeps the last entries: for a test to look at, or a dashboard to show.
class MemoryLog final : public LogSink {
 public:
  struct Entry {
    WallTime time;
    LogLevel level;
    std::string message;
    std::map<std::string, std::string> fields;  // Values as TextLog writes them, without quotes.
  };

  explicit MemoryLog(std::size_t limit = 1000) : limit_(limit) {}
  void write(const LogRecord& record) override TIDELOCK_EXCLUDES(mutex_);

  std::vector<Entry> entries() const TIDELOCK_EXCLUDES(mutex_);  // Oldest first.

 private:
  const std::size_t limit_;
  mutable LocalMutex mutex_;
  std::deque<Entry> entries_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::base
