#include "tidelock/sql/spy/log_file.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "tidelock/base/error.h"

namespace tidelock::sql::spy {

base::Path LogFile::numbered(std::size_t number) const {
  auto path = options_.path;
  path += "." + std::to_string(number);
  return path;
}

void LogFile::open() {
  const auto folder = base::folder_of(options_.path);
  if (!files_.info(folder)) files_.create_folders(folder);
  auto file = files_.open(options_.path, base::OpenMode::create);
  if (!file->try_lock(base::LockKind::exclusive)) {
    throw Error(Code::unavailable, options_.path.string() +
                                       " is written by another process, or by another spy that observes a database: "
                                       "give each a file of its own, as with {pid} in the name");
  }
  if (!options_.append && !opened_before_) file->truncate(0);
  const auto info = files_.info(options_.path);
  inode_ = info ? info->inode : 0;
  size_ = file->size();
  opened_before_ = true;
  torn_ = false;
  std::array<std::byte, 1> last{};  // A line that a crash cut short stays alone.
  if (size_ > 0 && file->read_at(size_ - 1, last) == 1 && last[0] != std::byte{'\n'}) {
    file->write_at(size_, std::as_bytes(std::span("\n", 1)));
    ++size_;
  }
  file_ = std::move(file);  // Only now: until then the next write begins here again.
}

// Others may move, remove, replace or cut the file at any time: logrotate does.
void LogFile::follow_the_name() {
  if (file_ == nullptr) return;
  const auto info = files_.info(options_.path);
  if (!info || info->inode != inode_) {
    file_.reset();
  } else if (const auto size = file_->size(); size < size_) {
    size_ = size;
  }
}

void LogFile::turn_over() {
  for (auto number = options_.files; number-- > 1;) {
    const auto from = number == 1 ? options_.path : numbered(number - 1);
    if (files_.info(from)) files_.rename(from, numbered(number));
  }
  if (options_.files <= 1) files_.remove(options_.path);
  file_.reset();
  open();
}

void LogFile::write(std::string_view lines) {
  follow_the_name();
  if (file_ == nullptr) open();
  if (torn_) cut();
  if (size_ > 0 && size_ + lines.size() > options_.max_bytes) turn_over();
  try {
    file_->write_at(size_, std::as_bytes(std::span(lines)));
  } catch (const Error&) {
    torn_ = true;
    try {
      cut();
    } catch (const Error&) {  // Before the next write, then: the first error is the one to tell.
    }
    throw;
  }
  size_ += lines.size();
}

void LogFile::close() noexcept {
  try {
    if (torn_) cut();
  } catch (...) {  // Then open() puts an end to that line.
  }
  file_.reset();
}

// Takes off what was written of lines that did not fit.
void LogFile::cut() {
  file_->truncate(size_);
  torn_ = false;
}

}  // namespace tidelock::sql::spy
