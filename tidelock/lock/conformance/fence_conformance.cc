// The contract of fence.h, on each engine that can fence.
#include <atomic>
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
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock::conformance {
namespace {

using namespace std::chrono_literals;

constexpr FencingToken kOld{100};
constexpr FencingToken kNew{200};

// On real engines: neither DuckDB nor servers can be simulated. Nobody waits for time here.
class FenceConformance : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto& engine = GetParam();
    TIDELOCK_NEEDS(sql::testing::why_not_here(engine));
    auto url = base::Url::parse(engine + "::memory:");
    if (const auto* const server = sql::testing::server_variable(engine)) {
      url = own_.emplace(runtime_, files_, server).url();
    }
    db_ = sql::open(runtime_, files_, url, {.max_connections = 16, .busy_timeout = 0ms});
    db_->execute("create table work (holder bigint)");
    if (db_->dialect().is_server) prepare_fence(*db_);
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
  std::optional<sql::testing::OwnDatabase> own_;
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

// Rolling back to it would take the fence away, and the transaction would commit without.
TEST_P(FenceConformance, ASavepointThatIsOpenIsRefused) {
  auto connection = db_->connect();
  auto tx = connection.begin();
  if (!db_->dialect().savepoints) {
    EXPECT_THROW_CODE(tx.savepoint(), Code::unsupported);
    return;
  }
  auto outer = tx.savepoint();
  auto inner = tx.savepoint();
  EXPECT_THROW_CODE(fence(tx, "r", kNew), Code::misuse);
  inner.rollback();
  EXPECT_THROW_CODE(fence(tx, "r", kNew), Code::misuse);
  outer.release();
  fence(tx, "r", kNew);
  auto after = tx.savepoint();
  tx.execute("insert into work values (0)");
  after.rollback();  // Not the fence.
  tx.commit();
  EXPECT_EQ(last(), kNew);
  EXPECT_EQ(work_done(), 0);
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

TEST_P(FenceConformance, PreparingTwiceKeepsWhatIsThere) {
  prepare_fence(*db_);
  work_as(kNew);
  prepare_fence(*db_);
  EXPECT_THROW_CODE(work_as(kOld), Code::fenced);
}

TEST_P(FenceConformance, WhereATransactionCannotMakeTheTableItSaysWhatToDo) {
  if (db_->dialect().is_server) {
    db_->execute("drop table tidelock_fence");
    try {
      work_as(kOld);
      FAIL() << "committed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::not_found);
      EXPECT_NE(error.message().find("call lock::prepare_fence(database) once"), std::string::npos) << error.what();
    }
    EXPECT_EQ(work_done(), 0);
    EXPECT_FALSE(last());
    db_->execute("delete from tidelock_schema");
    prepare_fence(*db_);
  }
  work_as(kOld);
  EXPECT_EQ(work_done(), 1);
}

// A key that ends in blanks, or differs in case only, is another one.
TEST_P(FenceConformance, ResourcesAreComparedByteByByte) {
  work_as(kNew, "a");
  for (const auto* const other : {"A", "a ", "\xc3\xa4", "a\xcc\x88"}) EXPECT_NO_THROW(work_as(kOld, other));
  EXPECT_EQ(last("a"), kNew);
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
    start_step();
    return finish_step();
  }
  // The same in two parts, for a step that waits for somebody.
  void start_step() {
    seen_ = done_->count();
    turn_->notify_all();
  }
  Progress finish_step() {
    EXPECT_TRUE(done_->wait(seen_, runtime_.in(20s)));
    return progress_;
  }
  bool has_finished_step() const { return done_->count() != seen_; }

  std::int64_t session_id() const { return session_id_; }  // Once it has begun.
  std::int64_t work_seen() const { return work_seen_; }    // Rows that its transaction saw when it wrote.

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
          if (db_.dialect().session_id) session_id_ = connection_->session_id();
          tx_.emplace(connection_->begin());
          return Progress::goes_on;
        case 1:
          fence(*tx_, resource_, token_);
          return Progress::goes_on;
        case 2:
          work_seen_ = tx_->one<std::int64_t>("select count(*) from work");
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
  std::uint64_t seen_ = 0;
  std::int64_t session_id_ = 0;
  std::int64_t work_seen_ = 0;
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
          raced += worker.failure() != Code::fenced;
          fenced += worker.failure() == Code::fenced;
          ASSERT_TRUE(worker.failure() == Code::serialization_failure || worker.failure() == Code::database_locked ||
                      worker.failure() == Code::deadlock || worker.failure() == Code::fenced)
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

// Where transactions wait for each other's rows.
class FenceOnServers : public FenceConformance {
 protected:
  void SetUp() override {
    FenceConformance::SetUp();
    if (IsSkipped()) return;
    patient_ = sql::open(runtime_, files_, own_->url(), {.max_connections = 16, .busy_timeout = 20s});
  }

  std::unique_ptr<Worker> worker(FencingToken token, std::string_view resource = "r") {
    return std::make_unique<Worker>(runtime_, *patient_, std::string(resource), token);
  }
  // Its next step is begun, and the server says that it waits for a lock.
  void start_waiting(Worker& worker) {
    worker.start_step();
    const auto deadline = runtime_.in(20s);
    while (!waits_for_a_lock(worker)) {
      ASSERT_FALSE(deadline.passed(runtime_.now())) << "it does not wait";
      ASSERT_FALSE(worker.has_finished_step()) << "it did not wait";
      runtime_.sleep_for(150ms);  // MariaDB shows the same again to whoever asks sooner.
    }
  }
  bool waits_for_a_lock(const Worker& worker) {
    const auto* const sql = db_->dialect().engine == "postgres"
                                ? "select count(*) from pg_stat_activity where pid = ? and wait_event_type = 'Lock'"
                                : "select count(*) from information_schema.innodb_trx where trx_mysql_thread_id = ? "
                                  "and trx_state = 'LOCK WAIT'";
    return db_->one<std::int64_t>(sql, worker.session_id()) > 0;
  }

  std::unique_ptr<sql::Database> patient_;
};

constexpr auto kGoesOn = Worker::Progress::goes_on;
constexpr auto kCommitted = Worker::Progress::committed;
constexpr auto kFailed = Worker::Progress::failed;

TEST_P(FenceOnServers, ANewerTokenWaitsForTheTransactionsOfTheOlderOneAndSeesWhatTheyDid) {
  work_as(kOld);
  auto one = worker(kOld);
  auto another = worker(kOld);
  for (auto* each : {one.get(), another.get()}) {
    for (int step = 0; step < 3; ++step) ASSERT_EQ(each->step(), kGoesOn);
  }
  auto successor = worker(kNew);
  ASSERT_EQ(successor->step(), kGoesOn);
  start_waiting(*successor);
  EXPECT_EQ(one->step(), kCommitted);
  EXPECT_TRUE(waits_for_a_lock(*successor));
  EXPECT_EQ(another->step(), kCommitted);
  EXPECT_EQ(successor->finish_step(), kGoesOn);
  EXPECT_EQ(successor->step(), kGoesOn);
  EXPECT_EQ(successor->work_seen(), 3);
  EXPECT_EQ(successor->step(), kCommitted);
  ASSERT_EQ(one->step(), kGoesOn);
  EXPECT_EQ(one->step(), kFailed);
  EXPECT_EQ(one->failure(), Code::fenced);
}

TEST_P(FenceOnServers, AnOlderTokenWaitsForTheNewerOneAndIsFenced) {
  work_as(kOld);
  auto successor = worker(kNew);
  for (int step = 0; step < 3; ++step) ASSERT_EQ(successor->step(), kGoesOn);
  auto stale = worker(kOld);
  ASSERT_EQ(stale->step(), kGoesOn);
  start_waiting(*stale);
  EXPECT_EQ(successor->step(), kCommitted);
  EXPECT_EQ(stale->finish_step(), kFailed);
  EXPECT_EQ(stale->failure(), Code::fenced);
  EXPECT_EQ(work_done(), 2);
}

TEST_P(FenceOnServers, AnOlderTokenGoesOnWhenTheNewerOneWasRolledBack) {
  work_as(kOld);
  auto successor = worker(kNew);
  for (int step = 0; step < 2; ++step) ASSERT_EQ(successor->step(), kGoesOn);
  auto old = worker(kOld);
  ASSERT_EQ(old->step(), kGoesOn);
  start_waiting(*old);
  successor.reset();
  EXPECT_EQ(old->finish_step(), kGoesOn);
  EXPECT_EQ(old->step(), kGoesOn);
  EXPECT_EQ(old->step(), kCommitted);
  EXPECT_EQ(last(), kOld);
}

// Nobody has used the resource, and both orders of the two who come first.
TEST_P(FenceOnServers, OfTheFirstTwoTheOlderTokenNeverComesLast) {
  for (const bool older_first : {true, false}) {
    const std::string resource = older_first ? "older first" : "newer first";
    const auto before = work_done();
    auto first = worker(older_first ? kOld : kNew, resource);
    for (int step = 0; step < 3; ++step) ASSERT_EQ(first->step(), kGoesOn);
    auto second = worker(older_first ? kNew : kOld, resource);
    ASSERT_EQ(second->step(), kGoesOn);
    start_waiting(*second);
    EXPECT_EQ(first->step(), kCommitted);
    const auto end = second->finish_step();
    EXPECT_EQ(end, older_first ? kGoesOn : kFailed);
    if (end == kGoesOn) {
      EXPECT_EQ(second->step(), kGoesOn);
      EXPECT_EQ(second->step(), kCommitted);
    } else {
      EXPECT_EQ(second->failure(), Code::fenced);
    }
    EXPECT_EQ(last(resource), kNew);
    EXPECT_EQ(work_done() - before, older_first ? 2 : 1);
  }
}

// All at once, with real waits; each runs its unit again when the server tells it to.
TEST_P(FenceOnServers, WorkersOfTwoHoldersAllComeThroughOrAreFenced) {
  constexpr int kWorkers = 4;
  constexpr int kUnits = 25;
  std::atomic<int> committed = 0;
  std::atomic<int> fenced = 0;
  std::vector<base::Task> tasks;
  const auto work = [&](FencingToken token) {
    for (int i = 0; i < kUnits; ++i) {
      try {
        sql::transact(*patient_, {.retry = {.max_attempts = 100}}, [&](sql::Transaction& tx) {
          fence(tx, "r", token);
          tx.execute("insert into work values (?)", token.value);
        });
        ++committed;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::fenced) << error.what();
        ++fenced;
      }
    }
  };
  for (int i = 0; i < kWorkers; ++i) {
    tasks.push_back(runtime_.spawn("old", [&](const std::stop_token&) { work(kOld); }));
    tasks.push_back(runtime_.spawn("new", [&](const std::stop_token&) { work(kNew); }));
  }
  for (auto& task : tasks) task.join();
  EXPECT_EQ(committed + fenced, 2 * kWorkers * kUnits);
  EXPECT_EQ(work_done(), committed);
  EXPECT_EQ(db_->one<std::int64_t>("select count(*) from work where holder = 200"), kWorkers * kUnits);
}

const auto kEngineName = [](const auto& info) { return info.param; };
INSTANTIATE_TEST_SUITE_P(Engines, FenceConformance, ::testing::Values("sqlite", "duckdb", "postgres", "mariadb"),
                         kEngineName);
INSTANTIATE_TEST_SUITE_P(Engines, FenceSoak, ::testing::Values("sqlite", "duckdb", "postgres", "mariadb"), kEngineName);
INSTANTIATE_TEST_SUITE_P(Engines, FenceOnServers, ::testing::Values("postgres", "mariadb"), kEngineName);

}  // namespace
}  // namespace tidelock::lock::conformance
