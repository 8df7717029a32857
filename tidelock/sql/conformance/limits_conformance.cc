// Waiting and its limits: the pool, timeouts, cancelling, locks; what an observer sees; how databases are opened.
#include <atomic>
#include <string>
#include <vector>

#include "tidelock/base/context.h"
#include "tidelock/sql/conformance/engines.h"

namespace tidelock::sql::conformance {
namespace {

using namespace std::chrono_literals;

TIDELOCK_SQL_CONFORMANCE(SqlLimits);

// More than any test waits for.
constexpr std::int64_t kEndless = std::int64_t{1} << 50;

TEST_P(SqlLimits, AStatementThatTakesTooLongTimesOut) {
  if (!declared().time_passes) return;  // In a World, computing takes no time
  run([&](const Place& place) {
    const auto db = place.open("statement_timeout=30ms");
    auto connection = db->connect();
    const auto endless = "select max(n) from (" + declared().numbers(kEndless) + ") as r";
    EXPECT_THROW_CODE(connection.one<std::int64_t>(endless), Code::timeout);
    connection.set_statement_timeout(kNoTimeout);
    EXPECT_EQ(connection.one<int>("select 1"), 1);
    EXPECT_THROW_CODE(connection.set_statement_timeout(0s), Code::invalid_argument);

    auto tx = connection.begin({.timeout = 30ms});
    EXPECT_THROW_CODE(tx.one<std::int64_t>(endless), Code::timeout);
    EXPECT_THROW_CODE(tx.commit(), Code::timeout);
    EXPECT_EQ(connection.one<int>("select 1"), 1);
  });
}

TEST_P(SqlLimits, ATransactionIsNotCommittedAfterItsTime) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer)");
    auto connection = db->connect();
    auto tx = connection.begin({.timeout = 300ms});
    tx.execute("insert into t values (1)");
    const auto over = place.runtime.make_signal("the time of the transaction");
    over->wait(over->count(), place.runtime.in(301ms));
    EXPECT_THROW_CODE(tx.commit(), Code::timeout);
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  });
}

TEST_P(SqlLimits, ABulkLoadEndsWithTheTimeOfItsTransaction) {
  if (!declared().time_passes) return;  // In a World, computing takes no time
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a bigint)");
    auto connection = db->connect();
    auto tx = connection.begin({.timeout = 50ms});
    auto bulk = tx.bulk("t", {"a"});
    std::int64_t rows = 0;
    EXPECT_THROW_CODE(while (rows < kEndless) bulk.append(rows++), Code::timeout);
    tx.rollback();
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  });
}

TEST_P(SqlLimits, AStatementIsCancelledFromAnotherTask) {
  if (!declared().time_passes) return;  // In a World, computing takes no time
  run([&](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    auto rows = connection.query(declared().numbers(kEndless));
    ASSERT_TRUE(rows.next());
    std::atomic<bool> over = false;
    auto canceller = place.runtime.spawn("canceller", [&, handle = connection.canceller()](const std::stop_token&) {
      while (!over) {  // Again and again: what runs now may be between two rows.
        handle.cancel();
        place.runtime.yield();
      }
    });
    EXPECT_THROW_CODE(while (rows.next()){}, Code::cancelled);
    over = true;
    canceller.join();
    EXPECT_EQ(connection.one<int>("select 1"), 1);
    connection.canceller().cancel();  // Nothing runs: nothing happens.
    EXPECT_EQ(connection.one<int>("select 1"), 1);
  });
}

TEST_P(SqlLimits, ARequestedStopEndsTheStatementThatRuns) {
  if (!declared().time_passes) return;  // In a World, computing takes no time
  run([&](const Place& place) {
    const auto db = place.open();
    auto connection = db->connect();
    std::stop_source stop;
    auto tx = connection.begin({.read_only = true, .stop = stop.get_token()});
    auto rows = tx.query(declared().numbers(kEndless));
    ASSERT_TRUE(rows.next());
    auto stopper = place.runtime.spawn("stopper", [&](const std::stop_token&) { stop.request_stop(); });
    EXPECT_THROW_CODE(while (rows.next()){}, Code::cancelled);
    EXPECT_THROW_CODE(tx.one<int>("select 1"), Code::cancelled);
    tx.rollback();
    EXPECT_EQ(connection.one<int>("select 1"), 1);
  });
}

TEST_P(SqlLimits, AWriterThatWaitsTooLongIsToldThatTheDatabaseIsLocked) {
  run([](const Place& place) {
    const auto db = place.open("busy_timeout=20ms");
    if (!db->dialect().one_writer) return;
    db->script("create table t (a integer)");
    auto first = db->connect();
    auto second = db->connect();
    auto writer = first.begin();
    const auto before = place.runtime.now();
    EXPECT_THROW_CODE(second.begin(), Code::database_locked);
    EXPECT_GE(place.runtime.now() - before, 20ms);
    EXPECT_THROW_CODE(second.execute("insert into t values (1)"), Code::database_locked);
    EXPECT_THROW_CODE(second.begin({.timeout = 1ms}), Code::database_locked);
    EXPECT_EQ(second.one<int>("select count(*) from t"), 0);  // Reading goes on.
    writer.commit();
    second.execute("insert into t values (1)");
  });
}

TEST_P(SqlLimits, AWaitingWriterGoesOnWhenTheOtherIsThrough) {
  run([](const Place& place) {
    const auto db = place.open("busy_timeout=60s");
    if (!db->dialect().one_writer) return;
    db->script("create table t (a integer)");
    auto first = db->connect();
    auto writer = first.begin();
    writer.execute("insert into t values (1)");
    auto waits =
        place.runtime.spawn("second writer", [&](const std::stop_token&) { db->execute("insert into t values (2)"); });
    while (db->pool_state().in_use < 2) place.runtime.yield();
    writer.commit();
    waits.join();
    EXPECT_EQ(db->one<int>("select count(*) from t"), 2);
  });
}

TEST_P(SqlLimits, AWaitingWriterIsCancelled) {
  run([](const Place& place) {
    const auto db = place.open("busy_timeout=1h");
    if (!db->dialect().one_writer) return;
    auto first = db->connect();
    auto second = db->connect();
    auto writer = first.begin();
    std::stop_source stop;
    std::atomic<bool> over = false;
    auto waits = place.runtime.spawn("second writer", [&](const std::stop_token&) {
      EXPECT_THROW_CODE(second.begin({.stop = stop.get_token()}), Code::cancelled);
      over = true;
    });
    stop.request_stop();
    while (!over) {  // It may not have begun to wait when the first request came.
      second.canceller();
      place.runtime.yield();
    }
    waits.join();
  });
}

TEST_P(SqlLimits, ThePoolIsFirstComeFirstServed) {
  run([](const Place& place) {
    const auto db = place.open("max_connections=2");
    auto a = std::make_unique<Connection>(db->connect());
    auto b = std::make_unique<Connection>(db->connect());
    std::vector<int> served;
    std::vector<base::Task> tasks;
    base::LocalMutex mutex;
    for (int i = 0; i < 3; ++i) {
      tasks.push_back(place.runtime.spawn("waiter", [&, i](const std::stop_token&) {
        const auto mine = db->connect();
        const base::LocalGuard guard(mutex);
        served.push_back(i);
      }));
      while (db->pool_state().waiting <= static_cast<std::size_t>(i)) place.runtime.yield();
    }
    EXPECT_EQ(db->pool_state().in_use, 2U);
    a.reset();
    for (auto& task : tasks) task.join();
    EXPECT_EQ(served, (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(db->pool_state().waited, 3U);
    EXPECT_EQ(db->pool_state().waiting, 0U);
    EXPECT_EQ(db->pool_state().in_use, 1U);
  });
}

TEST_P(SqlLimits, AnExhaustedPoolSaysWhoHoldsItsConnections) {
  run([](const Place& place) {
    const auto db = place.open("max_connections=2&checkout_timeout=5ms");
    const auto oldest = db->connect(place.runtime.in(30s));  // Opening a connection may take longer.
    const auto other = db->connect(place.runtime.in(30s));
    try {
      db->connect();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::timeout);
      EXPECT_NE(error.message().find("all 2 connections"), std::string::npos) << error.what();
      EXPECT_NE(error.message().find("connection " + std::to_string(oldest.id()) + " is held longest"),
                std::string::npos)
          << error.what();
    }
    EXPECT_THROW_CODE(db->connect(place.runtime.in(1ms)), Code::timeout);
  });
}

TEST_P(SqlLimits, ConnectionsOutliveTheirDatabase) {
  run([](const Place& place) {
    auto db = place.open();
    auto connection = db->connect();
    db.reset();
    EXPECT_EQ(connection.one<int>("select 1"), 1);
  });
}

inline constexpr base::TaskLocal<std::string> kJob;

class Recorder final : public Observer {
 public:
  struct Seen {
    Category category;
    std::string sql;
    std::vector<std::string> values;
    std::int64_t rows;
    std::uint64_t transaction;
    std::optional<Code> error;
    std::string job;
  };
  void on_start(const StatementEvent& event) noexcept override {
    EXPECT_EQ(event.error, nullptr);
    started.emplace_back(event.sql);
  }
  void on_statement(const StatementEvent& event) noexcept override {
    Seen one{event.category, std::string(event.sql), {}, event.rows, event.transaction, {}, {}};
    for (const auto& value : event.values) one.values.push_back(to_text(value));
    if (event.error != nullptr) one.error = event.error->code();
    if (const auto* job = kJob.get(event.runtime)) one.job = *job;
    EXPECT_GE(event.elapsed.count(), 0);
    EXPECT_GT(event.connection, 0U);
    seen.push_back(std::move(one));
  }
  void on_hook_error(std::uint64_t transaction, const std::exception& error) noexcept override {
    hook_errors.push_back(std::to_string(transaction) + " " + error.what());
  }
  std::vector<Seen> seen;
  std::vector<std::string> started;
  std::vector<std::string> hook_errors;
};

TEST_P(SqlLimits, AnObserverSeesEveryStatementWithItsValues) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer primary key, b varchar(100))");
    const auto recorder = std::make_shared<Recorder>();
    db->observe(recorder);
    auto& seen = recorder->seen;
    const auto job = kJob.set(place.runtime, "nightly");
    auto connection = db->connect();

    connection.execute("insert into t values (?, ?)", 1, "it's");
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].sql, "insert into t values (?, ?)");
    EXPECT_EQ(seen[0].values, (std::vector<std::string>{"1", "'it''s'"}));
    EXPECT_EQ(seen[0].rows, 1);
    EXPECT_EQ(seen[0].transaction, 0U);
    EXPECT_EQ(seen[0].job, "nightly");

    {
      auto rows = connection.query("select a from t where a > ? union all select 7", 0);
      EXPECT_TRUE(rows.next());
      EXPECT_TRUE(rows.next());
    }
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].rows, 2);

    auto tx = connection.begin();
    const auto id = tx.id();
    EXPECT_THROW_CODE(tx.execute("insert into t values (1, 'again')"), Code::constraint_violation);
    tx.rollback();
    ASSERT_EQ(seen.size(), 5U);
    EXPECT_EQ(seen[2].category, Category::begin);
    EXPECT_EQ(seen[3].error, Code::constraint_violation);
    EXPECT_EQ(seen[4].category, Category::rollback);
    for (int i = 2; i < 5; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)].transaction, id);

    auto bulk = connection.bulk("t", {"a", "b"});
    bulk.append(5, "x");
    bulk.finish();
    ASSERT_EQ(seen.size(), 8U);
    EXPECT_EQ(seen[5].category, Category::begin);
    EXPECT_EQ(seen[6].category, Category::bulk);
    EXPECT_EQ(seen[6].rows, 1);
    EXPECT_EQ(seen[7].category, Category::commit);
    for (std::size_t i = 6; i < 8; ++i) EXPECT_EQ(seen[i].transaction, seen[5].transaction);

    EXPECT_THROW_CODE(connection.execute("insert into nowhere values (1)"), Code::statement_invalid);
    EXPECT_THROW_CODE(connection.execute("insert into t values (?, ?)", 9), Code::invalid_argument);
    ASSERT_EQ(seen.size(), 10U);
    EXPECT_EQ(seen[8].sql, "insert into nowhere values (1)");
    EXPECT_EQ(seen[8].error, Code::statement_invalid);
    EXPECT_EQ(seen[9].error, Code::invalid_argument);
    std::vector<std::string> run;  // What the engine was given.
    for (const auto& one : seen) {
      if (one.error != Code::invalid_argument && one.sql != "insert into nowhere values (1)") run.push_back(one.sql);
    }
    EXPECT_EQ(recorder->started, run);

    auto hooked = connection.begin();
    const auto hooked_id = hooked.id();
    hooked.after_commit([] { throw std::runtime_error("no such file"); });
    hooked.commit();
    EXPECT_EQ(recorder->hook_errors, (std::vector<std::string>{std::to_string(hooked_id) + " no such file"}));

    db->observe(nullptr);
    const auto count = seen.size();
    connection.execute("delete from t");
    EXPECT_EQ(seen.size(), count);
  });
}

TEST_P(SqlLimits, AnObserverIsToldWhyABulkWriteFailed) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer primary key, b varchar(100))");
    const auto recorder = std::make_shared<Recorder>();
    db->observe(recorder);
    auto& seen = recorder->seen;
    const auto fails = [&](Code code, const char* table, const std::function<void(BulkWriter&)>& write) {
      auto connection = db->connect();
      seen.clear();
      EXPECT_THROW_CODE(
          {
            auto bulk = connection.bulk(table, std::vector<std::string>{"a", "b"});
            write(bulk);
            bulk.finish();
          },
          code);
      ASSERT_EQ(seen.size(), 3U);
      EXPECT_EQ(seen[0].category, Category::begin);
      EXPECT_EQ(seen[1].category, Category::bulk);
      EXPECT_EQ(seen[1].error, code);
      EXPECT_EQ(seen[1].sql, "bulk " + std::string(table) + " (a and b)");
      EXPECT_EQ(seen[1].transaction, seen[0].transaction);
      EXPECT_EQ(seen[2].category, Category::rollback);
    };
    fails(Code::constraint_violation, "t", [](BulkWriter& bulk) {
      bulk.append(1, "x");
      bulk.append(1, "y");
    });
    fails(Code::invalid_argument, "t", [](BulkWriter& bulk) { bulk.append(1); });
    fails(Code::statement_invalid, "nowhere", [](BulkWriter& bulk) { bulk.append(1, "x"); });

    seen.clear();
    auto connection = db->connect();
    EXPECT_THROW_CODE(connection.bulk("t", std::vector<std::string>{}), Code::invalid_argument);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].error, Code::invalid_argument);
    auto tx = connection.begin();
    auto bulk = tx.bulk("t", {"a", "b"});
    bulk.append(1, "x");
    tx.rollback();
    ASSERT_EQ(seen.size(), 4U);
    EXPECT_EQ(seen[2].error, Code::misuse);  // Not finished.
    EXPECT_EQ(seen[3].category, Category::rollback);
    db->observe(nullptr);
  });
}

TEST_P(SqlLimits, AnObserverSeesWhatIsNoStatementOfTheCaller) {
  run([](const Place& place) {
    const auto db = place.open();
    const auto recorder = std::make_shared<Recorder>();
    db->observe(recorder);
    auto& seen = recorder->seen;
    EXPECT_THROW_CODE(db->script("select 'never ends"), Code::statement_invalid);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].category, Category::script);
    EXPECT_EQ(seen[0].error, Code::statement_invalid);
    EXPECT_TRUE(recorder->started.empty());
    if (db->dialect().two_phase) {
      db->prepared_transactions();
      EXPECT_EQ(seen.back().sql, "prepared transactions");
    }
    if (db->dialect().notifications) {
      auto connection = db->connect();
      connection.listen("news");
      EXPECT_EQ(seen.back().sql, "listen " + db->dialect().quote("news"));
      EXPECT_EQ(recorder->started.back(), seen.back().sql);
    }
    db->observe(nullptr);
  });
}

TEST_P(SqlLimits, ASecretReachesTheEngineAndNobodyElse) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (a integer primary key, b varchar(20))");
    const auto recorder = std::make_shared<Recorder>();
    db->observe(recorder);
    const base::Secret secret("h%nter2");
    db->execute("insert into t values (?, ?)", 1, secret);
    EXPECT_EQ(db->one<int>("select count(*) from t where b = ? and a > ?", std::optional(secret), 0), 1);
    EXPECT_EQ(recorder->seen.at(0).values, (std::vector<std::string>{"1", "'***'"}));
    EXPECT_EQ(recorder->seen.at(1).values, (std::vector<std::string>{"'***'", "0"}));

    auto connection = db->connect();
    auto statement = connection.prepare("update t set b = ? where a = ?");
    statement.execute(base::Secret("newer"), 1);
    EXPECT_EQ(recorder->seen.back().values, (std::vector<std::string>{"'***'", "1"}));
    try {
      statement.execute(base::Secret(std::string("h\0nter", 6)), 1);
      FAIL() << "a NUL byte";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
      EXPECT_EQ(std::string(error.what()).find("nter"), std::string::npos) << error.what();
    }
  });
}

TEST_P(SqlLimits, ADatabaseThatMayOnlyBeReadMustExist) {
  if (declared().in_memory) return;  // A database in memory is gone when it is closed
  run([](const Place& place) {
    EXPECT_THROW_CODE(place.open("mode=ro"), Code::not_found);
    EXPECT_THROW_CODE(place.open("mode=rw"), Code::not_found);
    place.open()->script("create table t (a integer); insert into t values (1)");
    {
      const auto db = place.open("mode=ro");
      EXPECT_EQ(db->one<int>("select a from t"), 1);
      EXPECT_THROW_CODE(db->execute("insert into t values (2)"), Code::read_only);
      auto connection = db->connect();
      auto tx = connection.begin();
      EXPECT_EQ(tx.one<int>("select a from t"), 1);
      EXPECT_THROW_CODE(tx.execute("insert into t values (2)"), Code::read_only);
    }
    EXPECT_EQ(place.open("mode=rw")->one<int>("select count(*) from t"), 1);
  });
}

// Whatever becomes of the statement that tries to.
TEST_P(SqlLimits, NothingThatIsSaidLiftsWhatMayOnlyBeRead) {
  if (declared().in_memory) GTEST_SKIP() << "what is in memory is opened to write";
  if (declared().lift_read_only.empty()) GTEST_SKIP() << "no statement says so";
  run([&](const Place& place) {
    const auto writer = place.open();
    writer->script("create table t (a integer)");
    const auto reader = place.open("mode=ro");
    const auto attempt = [](auto& on, const std::string& sql, bool by_script) {
      try {
        by_script ? on.script(sql) : static_cast<void>(on.execute(sql));
      } catch (const Error&) {
      }
    };
    const std::string insert = "insert into t values (1)";
    for (const auto& lift : declared().lift_read_only) {
      SCOPED_TRACE(lift);
      for (const bool by_script : {false, true}) {
        auto connection = reader->connect();
        attempt(connection, lift, by_script);
        EXPECT_THROW_CODE(connection.execute(insert), Code::read_only);
        auto writing = writer->connect();
        auto tx = writing.begin({.read_only = true});
        attempt(tx, lift, by_script);
        attempt(tx, insert, by_script);
      }
      for (auto* const database : {reader.get(), writer.get()}) {
        auto connection = database->connect();
        if (database == reader.get()) attempt(connection, lift + "; " + insert, true);
        auto tx = connection.begin({.read_only = true});
        attempt(tx, lift + "; " + insert, true);
      }
      EXPECT_EQ(writer->one<int>("select count(*) from t"), 0);
    }
  });
}

TEST_P(SqlLimits, UnknownParametersAreRefusedWithTheNearest) {
  run([](const Place& place) {
    try {
      place.open("max_conections=3");
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
      EXPECT_NE(error.message().find("max_connections"), std::string::npos) << error.what();
    }
    EXPECT_THROW_CODE(place.open("max_connections=0"), Code::invalid_argument);
    EXPECT_THROW_CODE(place.open("mode=wr"), Code::invalid_argument);
    EXPECT_THROW_CODE(place.open("statement_timeout=0s"), Code::invalid_argument);
  });
}

TEST_P(SqlLimits, ConstraintsAreNamedWhereTheEngineNamesThem) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script(
        "create table p (id integer primary key);"
        "create table t (a integer primary key, b integer not null, c integer unique, d integer check (d > 0),"
        " p integer references p (id));"
        "insert into p values (1); insert into t values (1, 1, 1, 1, 1)");
    for (const auto* const row :
         {"(1, 1, 2, 1, 1)", "(2, null, 2, 1, 1)", "(2, 1, 1, 1, 1)", "(2, 1, 2, 0, 1)", "(2, 1, 2, 1, 9)"}) {
      EXPECT_THROW_CODE(db->execute(std::string("insert into t values ") + row), Code::constraint_violation);
    }
    EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance
