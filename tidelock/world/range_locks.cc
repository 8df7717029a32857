#include "tidelock/world/range_locks.h"

#include <algorithm>

namespace tidelock::world {

std::uint64_t RangeLocks::end_of(base::ByteRange range) {
  const bool to_the_end = range.length == 0 || range.length > UINT64_MAX - range.offset;
  return to_the_end ? UINT64_MAX : range.offset + range.length;
}

bool RangeLocks::try_lock(Owner owner, base::LockKind kind, base::ByteRange range) {
  auto begin = range.offset;
  auto end = end_of(range);
  const bool excluded = std::any_of(held_.begin(), held_.end(), [&](const Held& held) {
    return held.owner != owner && held.begin < end && begin < held.end &&
           (kind == base::LockKind::exclusive || held.kind == base::LockKind::exclusive);
  });
  if (excluded) return false;
  carve(owner, begin, end);
  std::erase_if(held_, [&](const Held& held) {  // Neighbours of the same kind become one.
    if (held.owner != owner || held.kind != kind || (held.end != begin && held.begin != end)) return false;
    begin = std::min(begin, held.begin);
    end = std::max(end, held.end);
    return true;
  });
  held_.push_back({owner, kind, begin, end});
  return true;
}

void RangeLocks::unlock(Owner owner, base::ByteRange range) { carve(owner, range.offset, end_of(range)); }

void RangeLocks::unlock_all(Owner owner) {
  std::erase_if(held_, [&](const Held& held) { return held.owner == owner; });
}

// Takes the range out of what the owner holds.
void RangeLocks::carve(Owner owner, std::uint64_t begin, std::uint64_t end) {
  std::vector<Held> rests;
  std::erase_if(held_, [&](const Held& held) {
    if (held.owner != owner || held.end <= begin || end <= held.begin) return false;
    if (held.begin < begin) rests.push_back({owner, held.kind, held.begin, begin});
    if (end < held.end) rests.push_back({owner, held.kind, end, held.end});
    return true;
  });
  held_.insert(held_.end(), rests.begin(), rests.end());
}

}  // namespace tidelock::world
