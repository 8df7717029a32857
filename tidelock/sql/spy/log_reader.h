// Reads logs of the spy back: JSON lines, and P6Spy's single-line form.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/sql/dialect.h"

namespace tidelock::sql::spy {

struct LogEntry {
  std::uint64_t line = 0;
  std::string time{};  // As it is written there.
  std::chrono::microseconds elapsed{0};
  std::string category{};
  std::string database{};   // Its URL.
  std::string sql{};        // With `?`.
  std::string effective{};  // With values.
  std::int64_t rows = 0;
  std::string error{};
  std::string job{}, run{}, step{};
};

// Error: invalid_argument, with what is wrong with the line. In time that grows with the line.
LogEntry parse_log_line(std::string_view line);
// How the database of this URL reads SQL, as far as is known: of "jdbc:mysql://…" too. Else any_lexis().
Lexis lexis_in_log(std::string_view url);

// Holds one line at a time, however long the file is. Used by one task.
class LogReader {
 public:
  LogReader(base::Files& files, const base::Path& path);
  // What comes in order, as of a pipe. `read` fills what it is given, and returns the count of bytes: short only at the
  // end.
  using Read = std::function<std::size_t(std::span<std::byte> out)>;
  explicit LogReader(Read read);

  // Empty at the end. Lines that cannot be read are passed over, and counted.
  std::optional<LogEntry> next();

  struct Unreadable {
    std::uint64_t line;
    std::string why;
  };
  const std::vector<Unreadable>& unreadable() const { return unreadable_; }  // The first few.
  std::uint64_t unreadable_count() const { return unreadable_count_; }
  std::uint64_t lines() const { return line_; }
  std::uint64_t bytes_read() const { return offset_; }
  std::uint64_t size_bytes() const { return size_; }  // 0: not known

 private:
  std::optional<std::string_view> next_line();
  void pass_over(std::string why);

  Read read_;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::uint64_t line_ = 0;
  bool too_long_ = false;
  std::vector<Unreadable> unreadable_;
  std::uint64_t unreadable_count_ = 0;
};

}  // namespace tidelock::sql::spy
