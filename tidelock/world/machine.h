// A simulated machine: its clocks, its boots, its disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/world/timers.h"

namespace tidelock::world {

class Disk;
class Process;
class World;

// Made by World::machine(). Instants of two machines, and of two boots of one, are not comparable.
class Machine {
 public:
  Machine(World& world, std::string name);
  ~Machine();

  const std::string& name() const { return name_; }  // Also the host name.
  const std::string& boot_id() const { return boot_id_; }

  Disk& disk() { return *disk_; }

  // All its processes crash; unsynced writes are lost, torn or reordered; then it boots again, with a new boot id and a
  // boot clock that starts anew. Its processes are not restarted. In a task of one of them it throws Crashed.
  void power_cut();

  // How fast the boot and the wall clock run: parts per million more (or less) than true time. Error: invalid_argument
  // beyond 100'000 (10 %).
  void set_clock_drift(std::int64_t parts_per_million);
  // As an operator or a time server does: instants do not change.
  void step_wall_clock(base::Duration by);

  base::Instant now() const;
  base::WallTime wall_now() const;
  // The first virtual time at which this machine's boot clock shows `moment`, as things stand.
  Time when(base::Instant moment) const;

 private:
  friend class Process;
  friend class World;

  base::Duration since_rebase() const;
  void rebase();
  void boot();

  World& world_;
  const std::string name_;
  std::string boot_id_;
  std::unique_ptr<Disk> disk_;
  std::vector<Process*> processes_;

  Time rebased_at_{};
  base::Duration boot_clock_{};  // What the clocks showed then.
  base::Duration wall_clock_{};
  std::int64_t drift_ppm_ = 0;
};

}  // namespace tidelock::world
