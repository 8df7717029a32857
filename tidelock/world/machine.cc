#include "tidelock/world/machine.h"

#include <chrono>

#include "tidelock/world/disk.h"
#include "tidelock/world/process.h"
#include "tidelock/world/scheduler.h"
#include "tidelock/world/world.h"

namespace tidelock::world {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMillion = 1'000'000;
constexpr std::int64_t kDriftMaxPpm = 100'000;
constexpr auto kWallStart = std::chrono::sys_days(std::chrono::year(2025) / 1 / 6).time_since_epoch();

// value * factor / divisor, rounded down, without overflow in between.
base::Duration scale(base::Duration value, std::int64_t factor, std::int64_t divisor) {
  if (factor == divisor) return value;
  __extension__ using Wide = __int128;
  return base::Duration(static_cast<std::int64_t>(static_cast<Wide>(value.count()) * factor / divisor));
}

}  // namespace

Machine::Machine(World& world, std::string name)
    : world_(world), name_(std::move(name)), disk_(std::make_unique<Disk>(world)), wall_clock_(kWallStart) {
  rebase();
  boot();
  boot_clock_ = world_.random_.between({1h, 24h * 30});
}

Machine::~Machine() = default;

void Machine::boot() {
  boot_id_ = world_.make_uuid();
  boot_clock_ = world_.random_.between({5s, 60s});
}

void Machine::power_cut() {
  world_.trace("cuts the power of " + name_);
  for (auto* process : processes_) process->kill();
  disk_->cut_power();
  rebase();
  boot();
  world_.scheduler().check_alive();
}

base::Duration Machine::since_rebase() const {
  return scale(world_.elapsed() - rebased_at_, kMillion + drift_ppm_, kMillion);
}

void Machine::rebase() {
  const auto passed = since_rebase();
  boot_clock_ += passed;
  wall_clock_ += passed;
  rebased_at_ = world_.elapsed();
}

void Machine::set_clock_drift(std::int64_t parts_per_million) {
  if (parts_per_million < -kDriftMaxPpm || parts_per_million > kDriftMaxPpm) {
    throw Error(Code::invalid_argument, "clock drift of " + std::to_string(parts_per_million) + " ppm: over 10 %");
  }
  rebase();
  drift_ppm_ = parts_per_million;
  for (auto* process : processes_) world_.scheduler().wake_sleepers(*process->group_);
}

void Machine::step_wall_clock(base::Duration by) { wall_clock_ += by; }

base::Instant Machine::now() const { return base::Instant(boot_clock_ + since_rebase()); }

base::WallTime Machine::wall_now() const {
  return base::WallTime(std::chrono::duration_cast<base::WallTime::duration>(wall_clock_ + since_rebase()));
}

Time Machine::when(base::Instant moment) const {
  if (moment == base::Instant::max()) return kNever;
  const auto ahead = moment - now();
  if (ahead <= 0ns) return world_.elapsed();
  constexpr auto kFar = kNever / 4;
  if (ahead > kFar) return kNever;
  auto at = rebased_at_ + scale(moment.time_since_epoch() - boot_clock_, kMillion, kMillion + drift_ppm_);
  while (base::Instant(boot_clock_ + scale(at - rebased_at_, kMillion + drift_ppm_, kMillion)) < moment) at += 1ns;
  return at;
}

}  // namespace tidelock::world
