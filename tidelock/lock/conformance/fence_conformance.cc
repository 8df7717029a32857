// The contract of fence.h, on each engine that can fence.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/lock/fence.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock::conformance {
namespace {

using namespace std::chrono_literals;

constexpr FencingToken kOld{100};
constexpr FencingToken kNew{200};

// On real engines: DuckDB cannot be simulated. Nobody waits for time here.
class FenceConformance : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    db_ = sql::open(runtime_, files_, base::Url::parse(GetParam()), {.max_connections = 16, .busy_timeout = 0ms});
    db_->execute("create table work (holder bigint)");
  }

  void work_as(FencingToken token, std::string_view resource = "r") {
    sql::transact(*db_, [&](sql::Transaction& tx) {
      fence(tx, resource, token);
      tx.execute("insert into work values (?)", token.value);
    });
  }
  std::int64_t work_done() { return db_->one<std::int64_t>("select count(*) from work"); }
  void interleave(std::uint64_t seeds);
  std::optional<FencingToken> last(std::string_view resource = "r") {
    auto connection = db_->connect();
    return last_token(connection, resource);
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::unique_ptr<sql::Database> db_;
};

using FenceSoak = FenceConformance;

TEST_P(FenceConformance, AStaleHolderCannotCommit) {
  EXPECT_FALSE(last());
  work_as(kOld);
  work_as(kNew);
  try {
    work_as(kOld);
    FAIL() << "committed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::fenced);
    EXPECT_EQ(error.disposition(), Disposition::permanent);
    EXPECT_STREQ(error.what(), "\"r\" is fenced: token 200 was used since, and this holder's 100 is older");
  }
  EXPECT_EQ(work_done(), 2);
  EXPECT_EQ(last(), kNew);
}

TEST_P(FenceConformance, AHolderWritesAgainAndAgain) {
  for (int i = 0; i < 20; ++i) work_as(kOld);
  EXPECT_EQ(work_done(), 20);
  EXPECT_EQ(last(), kOld);
}

TEST_P(FenceConformance, ResourcesAreFencedEachForItself) {
  work_as(kNew, "a");
  EXPECT_NO_THROW(work_as(kOld, "b"));
  EXPECT_THROW_CODE(work_as(kOld, "a"), Code::fenced);
  EXPECT_EQ(last("a"), kNew);
  EXPECT_EQ(last("b"), kOld);
}

TEST_P(FenceConformance, WhoSwallowsTheErrorCommitsNothing) {
  work_as(kNew);
  auto connection = db_->connect();
  auto tx = connection.begin();
  tx.execute("insert into work values (0)");
  EXPECT_THROW_CODE(fence(tx, "r", kOld), Code::fenced);
  EXPECT_THROW_CODE(tx.execute("insert into work values (0)"), Code::misuse);
  EXPECT_THROW_CODE(tx.commit(), Code::misuse);
  EXPECT_EQ(db_->one<int>("select count(*) from work"), 1);
}

TEST_P(FenceConformance, AFenceThatIsRolledBackLeavesNothing) {
  work_as(kOld);
  {
    auto connection = db_->connect();
    auto tx = connection.begin();
    fence(tx, "r", kNew);
  }
  EXPECT_EQ(last(), kOld);
  EXPECT_NO_THROW(work_as(kOld));
}

TEST_P(FenceConformance, ATransactionThatMayOnlyReadIsRefused) {
  auto connection = db_->connect();
  auto tx = connection.begin({.isolation = {}, .read_only = true, .timeout = sql::kNoTimeout, .stop = {}});
  EXPECT_THROW_CODE(fence(tx, "r", kOld), Code::read_only);
}

TEST_P(FenceConformance, AResourceIsNamedLikeAKey) {
  using namespace std::string_literals;
  for (const auto& name : {""s, std::string(256, 'r'), "a\0b"s, "\xff"s}) {
    EXPECT_THROW_CODE(work_as(kOld, name), Code::invalid_argument);
  }
  EXPECT_NO_THROW(work_as(kOld, std::string(255, 'r')));
  EXPECT_NO_THROW(work_as(kOld, "'; drop table work --"));
  EXPECT_EQ(work_done(), 2);
}

TEST_P(FenceConformance, ALeaseWithoutATokenIsRefused) {
  auto connection = db_->connect();
  auto tx = connection.begin();
  EXPECT_THROW_CODE(fence(tx, "r", Lease{}), Code::unsupported);
  EXPECT_NO_THROW(fence(tx, "r", Lease{.token = kOld, .expires = {}, .claim = {}}));
}

TEST_P(FenceConformance, AFenceOfANewerTidelockIsRefused) {
  work_as(kOld);
  db_->execute("update tidelock_schema set version = 99 where room = 'fence'");
  EXPECT_THROW_CODE(work_as(kOld, "another"), Code::newer_schema);
}

// A worker of a holder in a task of its own, which runs one transaction step by step as the test says.
class Worker {
 public:
  enum class Progress { goes_on, committed, failed };

  Worker(base::Runtime& runtime, sql::Database& db, std::string resource, FencingToken token)
      : runtime_(runtime),
        db_(db),
        resource_(std::move(resource)),
        token_(token),
        turn_(runtime.make_signal("turn")),
        done_(runtime.make_signal("done")) {
    task_ = runtime.spawn("worker", [this](const std::stop_token& stop) { run(stop); });
  }
  ~Worker() { task_.request_stop(); }

  FencingToken token() const { return token_; }
  Code failure() const { return failure_; }

  // One step of: begin, fence, write, commit.
  Progress step() {
    const auto seen = done_->count();
    turn_->notify_all();
    EXPECT_TRUE(done_->wait(seen, runtime_.in(20s)));
    return progress_;
  }

 private:
  void run(const std::stop_token& stop) {
    std::uint64_t seen = 0;
    for (;;) {
      turn_->wait(seen, base::Deadline::never(), stop);
      if (stop.stop_requested()) break;
      ++seen;
      progress_ = one_step();
      done_->notify_all();
    }
    tx_.reset();
    connection_.reset();
  }

  Progress one_step() {
    try {
      switch (step_++) {
        case 0:
          connection_.emplace(db_.connect());
          tx_.emplace(connection_->begin());
          return Progress::goes_on;
        case 1:
          fence(*tx_, resource_, token_);
          return Progress::goes_on;
        case 2:
          tx_->execute("insert into work values (?)", token_.value);
          return Progress::goes_on;
        default:
          tx_->commit();
          end();
          return Progress::committed;
      }
    } catch (const Error& error) {
      failure_ = error.code();
      end();
      return Progress::failed;
    }
  }

  void end() {
    tx_.reset();
    connection_.reset();
    step_ = 0;
  }

  base::Runtime& runtime_;
  sql::Database& db_;
  const std::string resource_;
  const FencingToken token_;
  const std::unique_ptr<base::Signal> turn_;
  const std::unique_ptr<base::Signal> done_;
  int step_ = 0;
  Progress progress_ = Progress::goes_on;
  Code failure_{};
  std::optional<sql::Connection> connection_;
  std::optional<sql::Transaction> tx_;
  base::Task task_;
};

// Workers of several holders go on in an order chosen by the seed; tokens never decrease from commit to commit.
void FenceConformance::interleave(std::uint64_t seeds) {
  int raced = 0;
  int fenced = 0;
  world::for_seeds(seeds, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto before = work_done();
    const auto resource = "seed " + std::to_string(seed);
    std::vector<std::unique_ptr<Worker>> workers;
    for (std::int64_t holder = 1; holder <= 3; ++holder) {
      for (int i = 0; i < 3; ++i) {
        workers.push_back(std::make_unique<Worker>(runtime_, *db_, resource, FencingToken{100 * holder}));
      }
    }
    std::vector<std::int64_t> committed;
    for (int i = 0; i < 400; ++i) {
      auto& worker = *workers[random() % workers.size()];
      // Now and then the newest holders are silent, so that old ones get somewhere first.
      if (worker.token().value > 100 * (1 + i / 100)) continue;
      switch (worker.step()) {
        case Worker::Progress::goes_on:
          break;
        case Worker::Progress::committed:
          ASSERT_TRUE(committed.empty() || committed.back() <= worker.token().value) << "seed " << seed;
          committed.push_back(worker.token().value);
          break;
        case Worker::Progress::failed:
          raced += worker.failure() == Code::serialization_failure || worker.failure() == Code::database_locked;
          fenced += worker.failure() == Code::fenced;
          ASSERT_TRUE(worker.failure() == Code::serialization_failure || worker.failure() == Code::database_locked ||
                      worker.failure() == Code::fenced)
              << name(worker.failure());
          break;
      }
    }
    workers.clear();
    EXPECT_GT(committed.size(), 5u) << "seed " << seed;
    EXPECT_EQ(work_done() - before, static_cast<std::int64_t>(committed.size()));
  });
  EXPECT_GT(raced, 0);
  EXPECT_GT(fenced, 0);
}

TEST_P(FenceConformance, NoOlderTokenCommitsAfterANewerOneWhateverTheInterleaving) { interleave(6); }
TEST_P(FenceSoak, NoOlderTokenCommitsAfterANewerOneWhateverTheInterleaving) { interleave(500); }

// Every order of the steps of one old and one new worker, with the old holder's token known to the resource or not.
TEST_P(FenceConformance, NoOlderTokenCommitsAfterANewerOneInAnyOrderOfTwo) {
  for (const bool known : {false, true}) {
    for (unsigned order = 0; order < 256; ++order) {
      if (__builtin_popcount(order) != 4) continue;
      const auto resource = std::to_string(order) + (known ? " known" : "");
      work_as({50}, resource);
      if (known) work_as(kOld, resource);
      Worker old_worker(runtime_, *db_, resource, kOld);
      Worker new_worker(runtime_, *db_, resource, kNew);
      bool old_ended = false;
      bool new_ended = false;
      bool new_committed = false;
      for (int i = 0; i < 8; ++i) {
        const bool of_new = ((order >> i) & 1) != 0;
        auto& ended = of_new ? new_ended : old_ended;
        if (ended) continue;
        const auto progress = (of_new ? new_worker : old_worker).step();
        ended = progress != Worker::Progress::goes_on;
        if (progress != Worker::Progress::committed) continue;
        if (of_new) new_committed = true;
        EXPECT_TRUE(of_new || !new_committed) << "order " << order << ", known " << known;
      }
    }
  }
}

TEST_P(FenceConformance, WorkersOfOneHolderDoNotMeet) {
  work_as(kOld);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 4; ++i) workers.push_back(std::make_unique<Worker>(runtime_, *db_, "r", kOld));
  for (int i = 0; i < 16; ++i) {
    // Where writers wait for each other, one after the other; else all at once.
    auto& worker = *workers[static_cast<std::size_t>(db_->dialect().one_writer ? i / 4 : i % 4)];
    EXPECT_NE(worker.step(), Worker::Progress::failed) << name(worker.failure());
  }
  workers.clear();
  EXPECT_EQ(work_done(), 5);
}

std::vector<std::string> databases() {
  std::vector<std::string> urls;
  for (const auto& engine : sql::engines()) {
    const bool in_memory = engine.scheme == "duckdb" || engine.scheme == "sqlite";  // Servers have no such thing.
    if (engine.available && in_memory) urls.push_back(engine.scheme + "::memory:");
  }
  return urls;
}

const auto kEngineName = [](const auto& info) { return info.param.substr(0, info.param.find(':')); };
INSTANTIATE_TEST_SUITE_P(Engines, FenceConformance, ::testing::ValuesIn(databases()), kEngineName);
INSTANTIATE_TEST_SUITE_P(Engines, FenceSoak, ::testing::ValuesIn(databases()), kEngineName);

}  // namespace
}  // namespace tidelock::lock::conformance
