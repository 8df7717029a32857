// A log file that is turned over before it grows too large, and survives what others do to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "tidelock/base/files.h"

namespace tidelock::sql::spy {

struct FileOptions {
  base::Path path{};                                  // `{pid}` in it is the number of the process.
  bool append = true;                                 // Else it is emptied when it is first opened.
  std::uint64_t max_bytes = std::uint64_t{64} << 20;  // Then it becomes path.1, that path.2, …
  std::size_t files = 8;                              // That stay, the current one included; at least 1.
};

// Used by one task at a time. Who else writes the same file is kept out by a lock, from the first write() to close().
class LogFile {
 public:
  LogFile(base::Files& files, FileOptions options) : files_(files), options_(std::move(options)) {}

  // Whole lines. When it throws none of them is there: what was written of them is written over. A file that was moved
  // or removed meanwhile is made anew, one that was cut is gone on with at its new end.
  // Errors: those of Files; unavailable while another process, or another LogFile, has it open.
  void write(std::string_view lines);
  // Lets others have it. The next write() opens it again.
  void close() noexcept;

 private:
  void open();
  void follow_the_name();
  void turn_over();
  void cut();
  base::Path numbered(std::size_t number) const;

  base::Files& files_;
  const FileOptions options_;
  std::unique_ptr<base::File> file_;
  std::uint64_t inode_ = 0;
  std::uint64_t size_ = 0;  // Up to here the lines are whole.
  bool opened_before_ = false;
  bool torn_ = false;  // Behind size_ there is a part of a line.
};

}  // namespace tidelock::sql::spy
