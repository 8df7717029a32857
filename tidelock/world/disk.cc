#include "tidelock/world/disk.h"

#include <cerrno>

#include "tidelock/base/errno_error.h"
#include "tidelock/world/scheduler.h"
#include "tidelock/world/world.h"

namespace tidelock::world {

Disk::Disk(World& world)
    : world_(world), random_(world.random().next()), space_{options_.capacity_bytes}, tree_(space_) {}
Disk::~Disk() = default;

void Disk::begin(Access access, const char* call, const base::Path& path, std::uint64_t detail) {
  auto& scheduler = world_.scheduler();
  scheduler.trace().fold(call);
  scheduler.trace().fold(path.native());
  scheduler.trace_event(detail, [&] { return std::string(call) + " " + path.string() + " " + std::to_string(detail); });
  if (options_.takes_time) {
    const bool slow = access == Access::sync && random_.chance(options_.slow_sync_rate);
    const auto& range = slow ? options_.slow_sync_time : access == Access::sync ? options_.sync_time : options_.io_time;
    scheduler.wait(nullptr, scheduler.now() + random_.between(range), call, path.native());
  }
  space_.capacity_bytes = options_.capacity_bytes;
  if (options_.read_only && (access == Access::write || access == Access::change)) {
    throw base::errno_error(EROFS, path, "the file system is read-only");
  }
  if (access == Access::read && options_.read_error_rate > 0 && random_.chance(options_.read_error_rate)) {
    throw base::errno_error(EIO, path, "it could not be read");
  }
}

bool Disk::write_fails() { return options_.write_error_rate > 0 && random_.chance(options_.write_error_rate); }
bool Disk::sync_fails() { return options_.sync_error_rate > 0 && random_.chance(options_.sync_error_rate); }

void Disk::cut_power() {
  const Loss moods[] = {Loss::all, Loss::none, Loss::mixed, Loss::mixed};
  tree_.cut_power(moods[random_.below(4)], options_.reordered_names, random_);
}

}  // namespace tidelock::world
