// The shipped SQLite leases and fences in a World where everything goes wrong: processes of one machine are paused,
// killed and started again, its power is cut, its disk fails and loses what was not synced, its wall clock is set, and
// its state file is deleted. What must hold all the time:
//   - of two processes never both believe in a lease of one key (those who deleted the state file freed its locks);
//   - the tokens of a key grow from holder to holder;
//   - in the business database, work is never done under an older token after work under a newer one.
// And when peace returns, everybody gets somewhere.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tidelock/lock/backends/all.h"
#include "tidelock/lock/fence.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/lock/testing/faulty_backend.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/disk.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr int kProcesses = 4;
const std::vector<std::string> kKeys = {"a", "b"};

// What goes wrong in this run. Not everything at once: each guarantee has its conditions, and docs/locks.md tells them.
struct Plan {
  explicit Plan(world::Random& random) {
    power_cuts = random.chance(0.4);
    disk_errors = !power_cuts && random.chance(0.4);
    deletions = !power_cuts && random.chance(0.3);
    // Tokens survive a power cut with a clock that is set back only where each commit is synced; and a deletion never.
    synced = random.chance(0.3);
    clock_set_back = !deletions && (synced || !power_cuts);
    lost_messages = random.chance(0.3);
    drift_ppm = random.chance(0.5) ? static_cast<std::int64_t>(random.below(2001)) - 1000 : 0;
  }
  bool power_cuts, disk_errors, deletions, synced, clock_set_back, lost_messages;
  std::int64_t drift_ppm;
};

// Knows who believes what, and objects.
class Referee {
 public:
  explicit Referee(world::Machine& machine) : machine_(machine) {}

  // The state that a request beginning now will be answered from, unless it is lost meanwhile.
  int epoch() const { return epoch_; }
  void state_was_lost() {
    ++epoch_;
    beliefs_.clear();
  }
  void power_was_cut() { beliefs_.clear(); }
  void died(const world::Process& process) {
    std::erase_if(beliefs_, [&](const auto& belief) { return belief.process == &process; });
  }

  void acquired(const world::Process& process, const std::string& key, const Lease& lease, int epoch) {
    if (epoch != epoch_) {  // Of a state that is gone, which the request had before it in time.
      late_token_[key] = std::max(late_token_[key], lease.token->value);
      return;
    }
    auto& last = last_token_[key];
    EXPECT_TRUE(epoch != last.epoch || *lease.token > last.token)
        << key << ": token " << lease.token->value << " after " << last.token.value;
    last = {epoch, *lease.token};
    believes(process, key, lease);
  }
  void renewed(const world::Process& process, const std::string& key, const Lease& lease, int epoch) {
    if (epoch == epoch_) believes(process, key, lease);
  }
  void gave_up(const Lease& lease) {
    std::erase_if(beliefs_, [&](const auto& belief) { return belief.claim == lease.claim; });
  }
  // Somebody got in by a state that was deleted meanwhile, with a token that is newer than this one.
  bool may_be_fenced_off(const std::string& key, const Lease& lease) const {
    const auto late = late_token_.find(key);
    return late != late_token_.end() && late->second > lease.token->value;
  }
  bool is_believed(const Lease& lease) const {
    return std::ranges::any_of(
        beliefs_, [&](const auto& belief) { return belief.claim == lease.claim && machine_.now() < belief.expires; });
  }

 private:
  struct Belief {
    const world::Process* process;
    std::string key;
    base::Uuid claim;
    base::Instant expires;
  };
  struct LastToken {
    int epoch = -1;
    FencingToken token;
  };

  void believes(const world::Process& process, const std::string& key, const Lease& lease) {
    const auto now = machine_.now();
    std::erase_if(beliefs_, [&](const auto& belief) { return belief.claim == lease.claim || belief.expires <= now; });
    if (lease.expires <= now) return;
    for (const auto& belief : beliefs_) {
      EXPECT_NE(belief.key, key) << process.name() << " and " << belief.process->name() << " both hold " << key;
    }
    beliefs_.push_back({&process, key, lease.claim, lease.expires});
  }

  world::Machine& machine_;
  int epoch_ = 0;
  std::vector<Belief> beliefs_;
  std::map<std::string, LastToken> last_token_;
  std::map<std::string, std::int64_t> late_token_;
};

class Simulation {
 public:
  explicit Simulation(world::World& world)
      : world_(world), random_(world.random()), plan_(random_), machine_(world.machine("server")), referee_(machine_) {
    for (int i = 0; i < kProcesses; ++i) {
      processes_.push_back(&world.process(machine_, "process " + std::to_string(i)));
    }
    machine_.set_clock_drift(plan_.drift_ppm);
  }

  void run() {
    for (auto* process : processes_) {
      process->start([this](world::Process& self) { live(self); });
    }
    for (int i = 0; i < 25; ++i) {
      world_.runtime().sleep_for(random_.between({0ms, 3s}));
      something_happens();
    }
    peace();
    check_work();
  }

  int entered() const { return entered_; }

 private:
  base::Url state_url() const {
    return base::Url::parse(plan_.synced ? "sqlite:/locks.db?synchronous=full" : "sqlite:/locks.db");
  }

  // What a process does from its start to its end.
  void live(world::Process& self) {
    while (!over_) {
      try {
        const auto backend = open_backend(self, self.files(), state_url());
        testing::FaultyBackend line(*backend, self);
        if (plan_.lost_messages && !peace_) line.at_random({.probability = 0.05, .delay_max = 8s}, random_);
        const auto business = sql::open(self, self.files(), base::Url::parse("sqlite:/shop.db?synchronous=full"));
        business->execute("create table if not exists work (place integer primary key, key text, token integer)");
        for (int i = 0; i < 10 && !over_; ++i) one_turn(self, line, *business);
      } catch (const Error& error) {
        check_expected(error);
        self.sleep_for(random_.between({10ms, 500ms}));
      }
    }
  }

  void check_expected(const Error& error) {
    const auto code = error.code();
    EXPECT_TRUE(code != Code::internal && code != Code::misuse && code != Code::invalid_argument &&
                code != Code::permits_differ && code != Code::not_holder && code != Code::corrupt &&
                code != Code::not_a_database && code != Code::statement_invalid)
        << error.what();
    EXPECT_FALSE(peace_ && plan_.disk_errors && code == Code::io_error) << error.what();
  }

  void one_turn(world::Process& self, Backend& backend, sql::Database& business) {
    const auto& key = kKeys[random_.below(2)];
    Mutex mutex(backend, self, key, {.ttl = 5s, .margin = 500ms, .owner = {}});
    const auto epoch = referee_.epoch();
    const auto lease =
        random_.chance(0.2) ? mutex.try_acquire(self.in(2s)) : mutex.acquire(self.in(random_.between({0ms, 30s})));
    if (!lease) return self.yield();
    referee_.acquired(self, key, *lease, epoch);
    ++entered_;
    if (random_.chance(0.1)) {  // Without a sign, until it lapses.
      work(self, business, key, *lease);
      self.sleep_for(random_.between({0ms, 8s}));
      return work(self, business, key, *lease);
    }
    if (random_.chance(0.5)) {
      work_and_renew(self, business, key, mutex, *lease, epoch);
    } else {
      work_with_keeper(self, business, key, mutex, *lease, epoch);
    }
  }

  void work_and_renew(world::Process& self, sql::Database& business, const std::string& key, Mutex& mutex, Lease lease,
                      int epoch) {
    for (auto i = random_.below(4); i > 0 && lease.valid(self.now()); --i) {
      work(self, business, key, lease);
      self.sleep_for(random_.between({0ms, 3s}));
      try {
        lease = mutex.renew(lease, self.in(1s));
        referee_.renewed(self, key, lease, epoch);
      } catch (const Error& error) {
        check_expected(error);
      }
    }
    work(self, business, key, lease);  // Perhaps too late: the fence must tell.
    referee_.gave_up(lease);
    mutex.release(lease, self.in(2s));
  }

  void work_with_keeper(world::Process& self, sql::Database& business, const std::string& key, Mutex& mutex,
                        const Lease& first, int epoch) {
    Keeper keeper(mutex, first);
    for (auto i = 1 + random_.below(5); i > 0 && !keeper.stop_token().stop_requested(); --i) {
      work(self, business, key, first);
      self.sleep_for(random_.between({0ms, 4s}), keeper.stop_token());
      const auto held = keeper.lease();
      if (keeper.still_held()) referee_.renewed(self, key, held, epoch);
    }
    referee_.gave_up(first);
  }

  // A transaction in the business database, as slow as it may be.
  void work(world::Process& self, sql::Database& business, const std::string& key, const Lease& lease) {
    try {
      sql::transact(business, [&](sql::Transaction& tx) {
        if (random_.chance(0.2)) self.sleep_for(random_.between({0ms, 2s}));
        fence(tx, key, lease);
        tx.execute("insert into work (key, token) values (?, ?)", key, lease.token->value);
        if (random_.chance(0.2)) self.sleep_for(random_.between({0ms, 2s}));
      });
      if (peace_) worked_in_peace_[&self] = true;
    } catch (const Error& error) {
      if (error.code() == Code::fenced) {
        EXPECT_TRUE(!referee_.is_believed(lease) || referee_.may_be_fenced_off(key, lease))
            << "fenced off while it held " << key << ": " << error.what();
      }
      check_expected(error);
    }
  }

  void something_happens() {
    auto& process = *processes_[random_.below(kProcesses)];
    auto& disk = machine_.disk().options();
    switch (random_.below(8)) {
      case 0:
        process.pause();
        paused_.push_back(&process);
        break;
      case 1:
      case 2:
        for (auto* paused : paused_) paused->resume();
        paused_.clear();
        break;
      case 3:
        process.crash();
        referee_.died(process);
        world_.runtime().sleep_for(random_.between({0ms, 2s}));
        revive(process);
        break;
      case 4:
        if (!plan_.power_cuts) break;
        machine_.power_cut();
        referee_.power_was_cut();
        for (auto* dead : processes_) revive(*dead);
        break;
      case 5:
        machine_.step_wall_clock(plan_.clock_set_back && random_.chance(0.5) ? -random_.between({0s, 1h})
                                                                             : random_.between({0s, 1h}));
        break;
      case 6:
        if (!plan_.deletions) break;
        world_.process(machine_, "operator").files().remove("/locks.db");
        referee_.state_was_lost();
        break;
      default:
        if (!plan_.disk_errors) break;
        disk.write_error_rate = random_.chance(0.5) ? 0.01 : 0;
        disk.sync_error_rate = random_.chance(0.5) ? 0.02 : 0;
        disk.read_error_rate = random_.chance(0.5) ? 0.002 : 0;
        disk.slow_sync_rate = random_.chance(0.5) ? 0.2 : 0.01;
    }
  }

  void revive(world::Process& process) {
    std::erase(paused_, &process);
    process.resume();
    process.restart();
  }

  // Nothing fails any more: soon everybody has done some work.
  void peace() {
    peace_ = true;
    for (auto* process : paused_) process->resume();
    auto& disk = machine_.disk().options();
    disk.write_error_rate = disk.sync_error_rate = disk.read_error_rate = 0;
    const auto begin = world_.elapsed();
    while (worked_in_peace_.size() < processes_.size() && world_.elapsed() - begin < 10min) {
      world_.runtime().sleep_for(1s);
    }
    EXPECT_EQ(worked_in_peace_.size(), processes_.size()) << "somebody is stuck";
    over_ = true;
    for (auto* process : processes_) process->wait_for_end();
  }

  void check_work() {
    auto& reader = world_.process(machine_, "reader");
    const auto business = sql::open(reader, reader.files(), base::Url::parse("sqlite:/shop.db"));
    auto connection = business->connect();
    std::map<std::string, std::int64_t> last;
    int rows = 0;
    for (const auto row : connection.query("select key, token from work order by place")) {
      auto& before = last[row.get<std::string>(0)];
      EXPECT_GE(row.get<std::int64_t>(1), before) << "an older token worked after a newer one";
      before = row.get<std::int64_t>(1);
      ++rows;
    }
    EXPECT_GT(rows, kProcesses);
  }

  world::World& world_;
  world::Random& random_;
  const Plan plan_;
  world::Machine& machine_;
  Referee referee_;
  std::vector<world::Process*> processes_;
  std::vector<world::Process*> paused_;
  std::map<const world::Process*, bool> worked_in_peace_;
  int entered_ = 0;
  bool peace_ = false;
  bool over_ = false;
};

// Returns how many seeds passed.
std::uint64_t simulate(std::uint64_t seeds) {
  int entered = 0;
  const auto passed = world::for_seeds(seeds, [&](world::World& world) {
    world.run([&] {
      Simulation simulation(world);
      simulation.run();
      entered += simulation.entered();
    });
  });
  EXPECT_GT(entered, 0);
  return passed;
}

// The leases that ship, on the SQLite that ships, and every fault of the World: nothing of it may come from outside.
TEST(SqlLeases, TheSameSeedIsTheSameRun) {
  const auto run = [](std::uint64_t seed) {
    world::World world(seed);
    world.run([&] { Simulation(world).run(); });
    return std::tuple(world.trace_hash(), world.elapsed(), world.steps());
  };
  std::set<std::uint64_t> hashes;
  const auto seeds = world::for_seeds(10, [&](std::uint64_t seed) {
    const auto first = run(seed);
    EXPECT_EQ(first, run(seed));
    hashes.insert(std::get<0>(first));
  });
  EXPECT_EQ(hashes.size(), seeds);
}

TEST(SqlLeases, ExcludeAndFenceWhateverHappens) { simulate(world::long_seeds(200)); }

// However short its share of the soak: what is promised holds over thousands of seeds.
TEST(SqlLeasesSoak, ExcludeAndFenceWhateverHappens) {
  constexpr std::uint64_t kSeedsMin = 3000;
  std::uint64_t passed = 0;
  do {
    passed += simulate(5000);
  } while (passed < kSeedsMin && !HasFailure() && !world::number_from_environment("TIDELOCK_SEED"));
}

}  // namespace
}  // namespace tidelock::lock
#endif
