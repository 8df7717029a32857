#include "tidelock/world/world.h"

#include <fmt/format.h>

#include <utility>

#include "tidelock/world/scheduler.h"

namespace tidelock::world {

World::World(std::uint64_t seed, WorldOptions options)
    : seed_(seed),
      random_(seed, 1),
      runtime_random_(seed, 2),
      buggify_(options.buggify.value_or((scramble(seed) & 1) != 0)),
      scheduler_(std::make_unique<Scheduler>(
          seed,
          SchedulerOptions{options.stack_bytes, options.step_limit, options.step_limit_at_once, options.trace_log},
          [this] { kill_processes(); })) {
  network_ = std::make_unique<Network>(*this);
}

World::~World() { scheduler_->kill_all(); }

void World::kill_processes() noexcept {
  for (const auto& process : processes_) process->kill();
}

Machine& World::machine(std::string_view name) {
  for (const auto& machine : machines_) {
    if (machine->name() == name) return *machine;
  }
  return *machines_.emplace_back(std::make_unique<Machine>(*this, std::string(name)));
}

Process& World::process(Machine& machine, std::string_view name) {
  for (auto* process : machine.processes_) {
    if (process->name() == name) return *process;
  }
  return *processes_.emplace_back(std::make_unique<Process>(*this, machine, std::string(name)));
}

void World::run(const std::function<void()>& body) {
  run([body](base::Runtime&) { body(); });
}

void World::run(const std::function<void(base::Runtime&)>& body) {
  process().launch([body](Process& process) { body(process); });
  run();
}

void World::run() { scheduler_->run_to_end(); }

void World::run_until(base::Instant moment) { scheduler_->wait(nullptr, machine().when(moment), "a moment", {}); }

void World::run_for(base::Duration duration) {
  scheduler_->wait(nullptr, scheduler_->now() + duration, "a moment", {});
}

base::Duration World::elapsed() const { return scheduler_->now(); }

bool World::chance(double probability, std::source_location place) {
  constexpr std::uint64_t kActivePercent = 25;
  if (!buggify_) return false;
  const std::uint64_t site = (std::uint64_t{place.line()} << 32) ^ place.column();
  if (scramble(seed_ ^ scramble(site)) % 100 >= kActivePercent) return false;
  return random_.chance(probability);
}

std::uint64_t World::trace_hash() const { return scheduler_->trace().hash(); }

void World::trace(std::uint64_t value) {
  scheduler_->trace_event(value, [&] { return std::to_string(value); });
}

void World::trace(std::string_view text) {
  scheduler_->trace().fold(text);
  scheduler_->trace_event(0, [&] { return std::string(text); });
}

std::string World::trace_log() const { return scheduler_->trace().text(); }
std::uint64_t World::steps() const { return scheduler_->steps(); }

std::string World::make_uuid() {
  const auto high = random_.next();
  const auto low = random_.next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xfff,
                     0x8000 | ((low >> 48) & 0x3fff), low & 0xffffffffffff);
}

}  // namespace tidelock::world
