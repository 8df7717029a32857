// Tests of several processes that break one server, or use one database, do it one after the other.
#pragma once

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

#include "tidelock/base/descriptor.h"

namespace tidelock::sql::testing {

// Waits for its turn, and has it for as long as it lives. Turns are told apart by a folder that exists, of the server.
class Turn {
 public:
  explicit Turn(const std::filesystem::path& folder)
      : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    int failed = folder_ ? -1 : errno;
    while (failed == -1) {
      failed = ::flock(folder_.get(), LOCK_EX) == 0 ? 0 : errno;
      if (failed == EINTR) failed = -1;
    }
    if (failed != 0) throw std::runtime_error(folder.string() + ": " + std::generic_category().message(failed));
  }

 private:
  base::Descriptor folder_;
};

// Of the server that TIDELOCK_TEST_MARIADB_REPLICA names: beside that of its primary.
inline std::filesystem::path mariadb_replica_folder() {
  const char* const primary = std::getenv("TIDELOCK_TEST_MARIADB_DATA");
  return std::filesystem::path(primary == nullptr ? "" : primary).parent_path() / "replica";
}

}  // namespace tidelock::sql::testing
