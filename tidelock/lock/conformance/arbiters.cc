#include "tidelock/lock/conformance/arbiters.h"

#include <map>
#include <optional>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/lock/backends/memory/memory_backend.h"
#if TIDELOCK_HAVE_SQLITE
#include "tidelock/lock/backends/sql/sql_backend.h"
#endif
#include "tidelock/lock/conformance/live_clock.h"
#include "tidelock/lock/conformance/live_database.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock::conformance {
namespace {

// Hands every call on, to whatever the arbiter is at the moment.
class MemoryLine final : public Backend {
 public:
  explicit MemoryLine(std::shared_ptr<std::shared_ptr<MemoryBackend>> arbiter) : arbiter_(std::move(arbiter)) {}

  const Guarantees& guarantees() const override { return (*arbiter_)->guarantees(); }
  Attempt try_acquire(const Claim& claim, Queue queue, base::Deadline deadline) override {
    return now()->try_acquire(claim, queue, deadline);
  }
  void wait(const Claim& claim, base::Deadline deadline, const std::stop_token& stop) override {
    now()->wait(claim, deadline, stop);
  }
  void renew(const Claim& claim, base::Deadline deadline) override { now()->renew(claim, deadline); }
  void release(const Claim& claim, base::Deadline deadline) override { now()->release(claim, deadline); }
  std::vector<KeyState> snapshot(std::optional<std::string_view> key, base::Deadline deadline) override {
    return now()->snapshot(key, deadline);
  }
  std::size_t break_claims(std::string_view key, std::span<const base::Uuid> claims, base::Deadline deadline) override {
    return now()->break_claims(key, claims, deadline);
  }

 private:
  std::shared_ptr<MemoryBackend> now() const { return *arbiter_; }
  std::shared_ptr<std::shared_ptr<MemoryBackend>> arbiter_;
};

// In virtual time. What belongs to an arbiter of such a stage: how it is reached, and how it is made to forget.
class WorldStage : public Stage {
 public:
  explicit WorldStage(world::World& world) : world_(world) {}

  base::Runtime& process(std::string_view name) override { return world_.process(name); }
  base::Instant now() override { return world_.machine().now(); }
  void advance(base::Duration time) override { world_.runtime().sleep_for(time); }
  void step_wall_clock(base::Duration by) override { world_.machine().step_wall_clock(by); }
  void pause(std::string_view process) override { world_.process(process).pause(); }
  void resume(std::string_view process) override { world_.process(process).resume(); }
  void crash(std::string_view process) override { world_.process(process).crash(); }

 protected:
  world::World& world_;
};

class MemoryStage final : public WorldStage {
 public:
  explicit MemoryStage(world::World& world) : WorldStage(world), arbiter_process_(world.process("arbiter")) {
    lose_state();
  }
  std::unique_ptr<Backend> connect(std::string_view) override { return std::make_unique<MemoryLine>(arbiter_); }
  void lose_state() override { *arbiter_ = std::make_shared<MemoryBackend>(arbiter_process_); }

 private:
  world::Process& arbiter_process_;
  std::shared_ptr<std::shared_ptr<MemoryBackend>> arbiter_ = std::make_shared<std::shared_ptr<MemoryBackend>>();
};

#if TIDELOCK_HAVE_SQLITE
// The shipped SQLite, on the model disk of the machine.
class SqliteStage final : public WorldStage {
 public:
  explicit SqliteStage(world::World& world) : WorldStage(world), files_(world.process("operator").files()) {}
  std::unique_ptr<Backend> connect(std::string_view name) override {
    auto& process = world_.process(name);
    return std::make_unique<SqlBackend>(process, process.files(), base::Url::parse("sqlite:/locks.db"));
  }
  void lose_state() override { files_.remove("/locks.db"); }

 private:
  base::Files& files_;
};
#endif

template <typename Kind>
void run_in_world(const std::function<void(Stage&)>& body) {
  world::passes_in_world(world::number_from_environment("TIDELOCK_SEED").value_or(1), [&](world::World& world) {
    world.run([&] {
      Kind stage(world);
      body(stage);
    });
  });
}

// A database that the tests of a suite have one after the other: making one takes longer than most of them.
struct ServerHome {
  explicit ServerHome(const ServerKind& kind) : database(runtime, files, kind) {}

  base::RealRuntime runtime;
  base::RealFiles files{runtime};
  LiveDatabase database;
};

// The shipped server, by a clock of the test.
class ServerStage final : public Stage {
 public:
  ServerStage(const ServerKind& kind, LiveDatabase& database)
      : kind_(kind), database_(database), clock_([this](base::Duration by) { database_.move_clock(by); }, kind.settle) {
    connect("the one before");  // Makes the tables.
    database_.lose_locks();
  }

  base::Runtime& process(std::string_view name) override {
    auto& process = processes_[std::string(name)];
    if (process == nullptr)
      process = std::make_unique<LiveProcess>(clock_, std::string(name), wall_, kind_.listening_task);
    return *process;
  }
  std::unique_ptr<Backend> connect(std::string_view name) override {
    return database_.locks_on_own_clock(process(name));
  }
  void lose_state() override { database_.lose_locks(); }
  base::Instant now() override { return clock_.now(); }
  void advance(base::Duration time) override { process("main").sleep_for(time); }
  void step_wall_clock(base::Duration by) override {
    database_.move_clock(by);
    for (auto& [name, process] : processes_) process->step_wall_clock(by);
  }

 private:
  const ServerKind& kind_;
  LiveDatabase& database_;
  const base::WallTime wall_ = database_.clock();
  LiveClock clock_;
  std::map<std::string, std::unique_ptr<LiveProcess>, std::less<>> processes_;
};

}  // namespace

void Stage::pause(std::string_view) { throw Error(Code::internal, "no process can be stopped here"); }
void Stage::resume(std::string_view) { throw Error(Code::internal, "no process can be stopped here"); }
void Stage::crash(std::string_view) { throw Error(Code::internal, "no process can be killed here"); }

std::vector<ArbiterCase> arbiters() {
  std::vector<ArbiterCase> cases {
#if TIDELOCK_HAVE_SQLITE
    {.name = "sqlite", .run = run_in_world<SqliteStage>},
#endif
        {.name = "memory", .run = run_in_world<MemoryStage>},
  };
  for (const auto& kind : server_kinds()) {
    const auto home = std::make_shared<std::optional<ServerHome>>();
    const auto run = [kind, home](const std::function<void(Stage&)>& body) {
      if (!*home) home->emplace(kind);
      ServerStage stage(kind, (*home)->database);
      body(stage);
    };
    cases.push_back({.name = kind.name,
                     .run = run,
                     .close = [home] { home->reset(); },
                     .unavailable = kind.why_missing(),
                     .no_stopping = "its processes are threads of the test, which cannot be stopped one by one",
                     .instant = kind.wakes_within});
  }
  return cases;
}

}  // namespace tidelock::lock::conformance
