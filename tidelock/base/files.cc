#include "tidelock/base/files.h"

#include "tidelock/base/error.h"

namespace tidelock::base {

std::string Files::read(const Path& path, std::uint64_t limit_bytes) {
  const auto file = open(path, OpenMode::read);
  std::string content;
  std::size_t done = 0;
  for (;;) {  // Not by size(): files of /proc have none.
    content.resize(std::max<std::size_t>(done + 4096, static_cast<std::size_t>(file->size())));
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
  try {
    const auto file = open(temporary, OpenMode::create_new);
    file->write_at(0, std::as_bytes(std::span(content)));
    file->sync();
  } catch (...) {
    remove(temporary);
    throw;
  }
  rename(temporary, path);
  sync_folder(path.has_parent_path() ? path.parent_path() : Path("."));
}

}  // namespace tidelock::base
