// Runs that are killed and go on: no row twice, none missing, whatever moment they are killed at.
#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/batch/testing/bench.h"
#include "tidelock/batch/testing/killing_files.h"
#include "tidelock/world/disk.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using testing::KillingFiles;
using testing::record_of;

constexpr int kRows = 23;  // Two of them are bad, and one is there already.

std::string csv() {
  std::string text = "id,price\n";
  for (int i = 1; i <= kRows; ++i) {
    text += i == 4 ? "4,none\n" : i == 17 ? "17,-1\n" : std::to_string(i) + "," + std::to_string(i) + ".5\n";
  }
  return text;
}

Job whole_job() {
  Job job{.name = "load", .store = "shop", .schedule = std::nullopt, .group = Group{"shop", 1}};
  const auto add = [&](std::string name, What what) {
    job.steps.push_back({.name = std::move(name), .what = std::move(what), .max_attempts = 20});
  };
  add("count", SqlStep{"count.sql", "insert into counter (n) values (1)"});
  add("load", ChunkStep{.source = CsvSource{"/items.csv"},
                        .record = record_of({"id integer", "price decimal"}, {"price > 0"}),
                        .write = {.kind = Write::Kind::insert, .table = "item"},
                        .chunk_rows = 4,
                        .max_skips = 3});
  add("copy", ChunkStep{.source = QuerySource{"copy.sql", "select id, price from item order by id"},
                        .write = {.kind = Write::Kind::insert, .table = "copy"},
                        .chunk_rows = 7});
  add("raise", ChunkStep{.source = QuerySource{"raise.sql", "select id, 2 * id as price from item order by id"},
                         .write = {.kind = Write::Kind::update, .table = "item", .key = {"id"}},
                         .chunk_rows = 8});
  add("report", TriggerStep{"report"});
  return job;
}

void make_tables(base::Runtime& runtime, base::Files& files) {
  files.write_atomically("/items.csv", csv());
  const auto store = sql::open(runtime, files, base::Url::parse("sqlite:/shop.db"));
  store->script(
      "create table counter (n integer); create table item (id integer primary key, price decimal not null); "
      "create table copy (id integer, price decimal); insert into item values (9, 0)");
}

void check_tables(base::Runtime& runtime, base::Files& files) {
  Bench bench(runtime, files);
  auto& store = bench.store();
  EXPECT_EQ(store.one<std::int64_t>("select count(*) from counter"), 1);
  EXPECT_EQ(store.one<std::int64_t>("select count(*) from item"), kRows - 2);
  EXPECT_EQ(store.one<std::int64_t>("select count(*) from item where price <> 2 * id"), 0);
  EXPECT_EQ(store.one<std::int64_t>("select count(*) from copy"), kRows - 2);
  EXPECT_EQ(store.one<std::int64_t>("select count(distinct id) from copy"), kRows - 2);
  const auto details = bench.history().show(1);
  EXPECT_EQ(details.run.status, RunStatus::completed) << details.run.reason;
  ASSERT_EQ(details.skips.size(), 3);
  EXPECT_EQ(details.skips[0].position, 4);
  EXPECT_EQ(details.skips[1].position, 9);
  EXPECT_EQ(details.skips[2].position, 17);
  ASSERT_EQ(details.steps.size(), 5);
  EXPECT_EQ(details.steps[1].rows_read, kRows);
  EXPECT_EQ(details.steps[1].rows_written, kRows - 3);
  EXPECT_EQ(details.steps[1].rows_skipped, 3);
  EXPECT_EQ(bench.state().one<std::int64_t>("select count(*) from tidelock_run where job = 'report'"), 1);
}

// Executes what is to be executed until the job is complete.
void finish(base::Runtime& runtime, base::Files& files, const Job& job) {
  Bench bench(runtime, files);
  for (int i = 0; i < 100; ++i) {
    for (const auto& run : bench.runs().pending(bench.locks(), runtime.in(1s))) {
      if (run.job == job.name) bench.runner().execute(run.id, job);
    }
    if (bench.state().one<std::string>("select status from tidelock_run where id = 1") == "completed") return;
    runtime.sleep_for(1s);
  }
  FAIL() << "it never becomes complete";
}

// Whether the process lived to the end: it makes fewer changes.
bool survives(std::uint64_t kill_at) {
  bool lived = false;
  world::passes_in_world(1, [&](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      const auto job = whole_job();
      world.machine().disk().options().takes_time = false;
      make_tables(runtime, world.files());
      Bench(runtime, world.files()).queue(job);

      auto& victim = world.process("victim");
      victim.start([&](world::Process& self) {
        KillingFiles files(self, kill_at);
        Bench bench(self, files);
        bench.runner().execute(1, job);
        lived = true;
      });
      victim.wait_for_end();
      if (!lived) finish(runtime, world.files(), job);
      check_tables(runtime, world.files());
    });
  });
  return lived;
}

TEST(Resume, NoRowTwiceAndNoneMissingWhereverARunIsKilled) {
  std::uint64_t kill_at = 1;
  while (!survives(kill_at) && !HasFailure()) ++kill_at;
  EXPECT_GT(kill_at, 50);
}

// Store and state go on telling one story where the machine loses what did not reach its disk.
TEST(Resume, APowerCutTakesNothingThatTheStateSaysIsDone) {
  world::for_seeds(world::long_seeds(100), [](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      const auto job = whole_job();
      auto& machine = world.machine("server");
      auto& victim = world.process(machine, "victim");
      make_tables(victim, victim.files());
      Bench(victim, victim.files()).queue(job);
      victim.start([&](world::Process& self) { Bench(self, self.files()).runner().execute(1, job); });
      runtime.sleep_for(world.random().between({0ms, 300ms}));
      machine.power_cut();
      auto& next = world.process(machine, "next");
      finish(next, next.files(), job);
      check_tables(next, next.files());
    });
  });
}

// Several processes look for runs to execute; they are killed and paused, the disk fails, power is cut.
class Simulation {
 public:
  explicit Simulation(world::World& world) : world_(world), random_(world.random()), machine_(world.machine("server")) {
    power_cuts_ = random_.chance(0.3);
    disk_errors_ = !power_cuts_ && random_.chance(0.5);
    for (int i = 0; i < 3; ++i) processes_.push_back(&world.process(machine_, "process " + std::to_string(i)));
  }

  void run() {
    auto& setup = world_.process(machine_, "set-up");
    make_tables(setup, setup.files());
    Bench(setup, setup.files()).queue(job_);
    for (auto* process : processes_) {
      process->start([this](world::Process& self) { live(self); });
    }
    for (int i = 0; i < 12; ++i) {
      setup.sleep_for(random_.between({0ms, random_.chance(0.5) ? 100ms : 3s}));
      something_happens();
    }
    auto& disk = machine_.disk().options();
    disk.write_error_rate = disk.sync_error_rate = 0;
    for (auto* process : processes_) revive(*process);
    setup.sleep_for(60s);
    over_ = true;
    for (auto* process : processes_) process->wait_for_end();
    auto& last = world_.process(machine_, "last");
    finish(last, last.files(), job_);
    check_tables(last, last.files());
  }

 private:
  void live(world::Process& self) {
    while (!over_) {
      try {
        Bench bench(self, self.files());
        while (!over_) {
          for (const auto& run : bench.runs().pending(bench.locks(), self.in(1s))) {
            if (run.job == job_.name) bench.runner().execute(run.id, job_);
          }
          self.sleep_for(500ms);
        }
      } catch (const Error& error) {
        const auto code = error.code();
        EXPECT_TRUE(code != Code::internal && code != Code::misuse && code != Code::corrupt &&
                    code != Code::constraint_violation && code != Code::statement_invalid)
            << error.what();
        self.sleep_for(500ms);
      }
    }
  }

  void revive(world::Process& process) {
    process.resume();
    if (process.crashed()) process.restart();
  }

  void something_happens() {
    auto& process = *processes_[random_.below(processes_.size())];
    auto& disk = machine_.disk().options();
    switch (random_.below(6)) {
      case 0:
        return process.pause();
      case 1:
        return process.resume();
      case 2:
      case 3:
        process.crash();
        return revive(process);
      case 4:
        if (!power_cuts_) return;
        machine_.power_cut();
        for (auto* dead : processes_) revive(*dead);
        return;
      default:
        if (!disk_errors_) return;
        disk.write_error_rate = random_.chance(0.5) ? 0.01 : 0;
        disk.sync_error_rate = random_.chance(0.5) ? 0.02 : 0;
    }
  }

  world::World& world_;
  world::Random& random_;
  world::Machine& machine_;
  const Job job_ = whole_job();
  bool power_cuts_ = false;
  bool disk_errors_ = false;
  bool over_ = false;
  std::vector<world::Process*> processes_;
};

void simulate(std::uint64_t seeds) {
  world::for_seeds(seeds, [](world::World& world) { world.run([&] { Simulation(world).run(); }); });
}

TEST(Resume, TheResultIsTheSameWhateverHappens) { simulate(world::long_seeds(60)); }
TEST(ResumeSoak, TheResultIsTheSameWhateverHappens) { simulate(5000); }

}  // namespace
}  // namespace tidelock::batch
#endif
