#include "tidelock/base/files.h"

#include <algorithm>
#include <exception>

#include "tidelock/base/error.h"

namespace tidelock::base {

void File::start_sync(ByteRange) {}  // The wait is the same, only later.

std::string Files::read(const Path& path, std::uint64_t limit_bytes) {
  const auto file = open(path, OpenMode::read);
  const auto step = static_cast<std::size_t>(std::min(std::max(file->size(), std::uint64_t{4096}), limit_bytes) + 1);
  std::string content;
  std::size_t done = 0;
  for (;;) {  // Not by size() alone: files of /proc have none.
    content.resize(done + (done == 0 ? step : 4096));
    const auto count = file->read_at(done, std::as_writable_bytes(std::span(content).subspan(done)));
    done += count;
    if (done > limit_bytes) {
      throw Error(Code::too_large, path.string() + " is larger than " + std::to_string(limit_bytes) + " bytes");
    }
    if (count == 0) break;
  }
  content.resize(done);
  return content;
}

void Files::write_atomically(const Path& path, std::string_view content) {
  auto temporary = path;
  temporary += ".tmp";
  remove(temporary);
  std::exception_ptr failure;  // Tidying up waits, which a handler must not do in a World.
  try {
    const auto file = open(temporary, OpenMode::create_new);
    file->write_at(0, std::as_bytes(std::span(content)));
    file->sync();
    rename(temporary, path);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    try {
      remove(temporary);
    } catch (const Error&) {  // It stays, and the next one replaces it.
    }
    std::rethrow_exception(failure);
  }
  sync_folder(folder_of(path));
}

Path folder_of(const Path& path) { return path.has_parent_path() ? path.parent_path() : Path("."); }

}  // namespace tidelock::base
