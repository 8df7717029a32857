// Byte-range locks of one file, as POSIX describes them for open file descriptions. Internal to the Disk.
#pragma once

#include <cstdint>
#include <vector>

#include "tidelock/base/files.h"

namespace tidelock::world {

class RangeLocks {
 public:
  // An opening of the file. Locks of one owner never exclude each other.
  using Owner = const void*;

  // False, and nothing changed, when another owner's lock is in the way. What the owner held inside the range is
  // converted; what it held outside stays.
  bool try_lock(Owner owner, base::LockKind kind, base::ByteRange range);
  // Holes in the range that are not locked are fine; a lock that reaches beyond it keeps the rest.
  void unlock(Owner owner, base::ByteRange range);
  void unlock_all(Owner owner);

 private:
  struct Held {
    Owner owner;
    base::LockKind kind;
    std::uint64_t begin;
    std::uint64_t end;  // One behind the last byte.
  };

  static std::uint64_t end_of(base::ByteRange range);
  void carve(Owner owner, std::uint64_t begin, std::uint64_t end);

  std::vector<Held> held_;
};

}  // namespace tidelock::world
