#include "tidelock/sql/backends/sqlite/lock_holders.h"

#include <set>

#include "tidelock/base/error.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/process_locks.h"
#include "tidelock/base/real_path.h"

namespace tidelock::sql::sqlite {
namespace {

using base::ByteRange;

constexpr std::size_t kNamedMost = 3;

// The bytes that matter to who writes; see vfs_file.cc. In the database file: PENDING, RESERVED and all of SHARED. In
// the -shm file: that of the one who writes, and that of the one who recovers the log.
constexpr ByteRange kFileLocks{0x40000000, 512};
constexpr ByteRange kWriterLock{120, 1};
constexpr ByteRange kRecoveryLock{122, 1};

bool overlap(const ByteRange& a, const ByteRange& b) {
  const auto ends_before = [](const ByteRange& one, const ByteRange& other) {
    return one.length != 0 && one.offset + one.length <= other.offset;
  };
  return !ends_before(a, b) && !ends_before(b, a);
}

using Pids = std::set<pid_t>;

// With a write-ahead log readers are in nobody's way. Without one, who writes waits for them too.
Pids pids_in_the_way(const base::Path& path, base::Files& files) {
  auto shared = path;
  shared += "-shm";
  Pids writers;
  Pids readers;
  for (const auto& lock : base::process_locks(path)) {
    if (overlap(lock.range, kFileLocks)) (lock.exclusive ? writers : readers).insert(lock.pid);
  }
  for (const auto& lock : base::process_locks(shared)) {
    if (!lock.exclusive) continue;
    if (overlap(lock.range, kWriterLock) || overlap(lock.range, kRecoveryLock)) writers.insert(lock.pid);
  }
  return !writers.empty() || files.info(shared) ? writers : readers;
}

}  // namespace

std::string lock_holders(const Place& place) {
  if (place.vfs != nullptr) return {};  // Its files are not the system's.
  Pids pids;
  try {
    pids = pids_in_the_way(base::real_path(place.files, place.path), place.files);
  } catch (const Error&) {  // The path leads nowhere now.
    return {};
  }
  pids.erase(static_cast<pid_t>(place.runtime.identity().pid));
  std::string words;
  std::size_t named = 0;
  for (const auto pid : pids) {
    if (named++ == kNamedMost) {
      words += " and " + std::to_string(pids.size() - kNamedMost) + " more";
      break;
    }
    words += (words.empty() ? "" : ", ") + base::process_in_words(pid);
  }
  return words;
}

}  // namespace tidelock::sql::sqlite
