// The error table against errors that the engine really makes.
#include "tidelock/sql/backends/duckdb/errors.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>

#include "tidelock/sql/backends/duckdb/session.h"
#include "tidelock/sql/backends/duckdb/testing/duckdb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::kNever;
using ::testing::Not;
using testing::number;
using testing::run;

struct Row {
  const char* sql;
  Code code;
  const char* object = nullptr;  // Null: any.
};

class DuckDbErrors : public testing::DuckDbTest {
 protected:
  void SetUp() override {
    session_ = session();
    session_->run_script(
        "create table p (id int primary key); insert into p values (1);"
        "create table t (id int primary key, p int references p (id), x int check (x > 0), y int not null, z text "
        "unique);"
        "insert into t values (1, 1, 1, 1, 'a'); create sequence s minvalue 1 maxvalue 2; select nextval('s'), "
        "nextval('s')",
        kNever);
  }
  void expect(const std::vector<Row>& rows) {
    for (const auto& row : rows) {
      const auto error = error_of([&] { run(*session_, row.sql); });
      EXPECT_EQ(name(error.code()), name(row.code)) << row.sql << ": " << error.what();
      ASSERT_TRUE(error.native()) << row.sql;
      EXPECT_THAT(std::string(error.what()), Not(HasSubstr("\n"))) << row.sql;
      if (row.object == nullptr) continue;
      EXPECT_EQ(error.object(), row.object) << row.sql << ": " << error.what();
    }
  }
  std::unique_ptr<Session> session_;
};

TEST_F(DuckDbErrors, ConstraintsAreToldWithWhatTheyAreOn) {
  expect({
      {"insert into t values (1, 1, 1, 1, 'b')", Code::constraint_violation, "id"},
      {"insert into t values (2, 1, 1, 1, 'a')", Code::constraint_violation, "z"},
      {"insert into t values (2, 9, 1, 1, 'b')", Code::constraint_violation, "id"},
      {"insert into t values (2, 1, 0, 1, 'b')", Code::constraint_violation, "t"},
      {"insert into t values (2, 1, 1, null, 'b')", Code::constraint_violation, "t.y"},
      {"delete from p", Code::constraint_violation, "p"},
      {"insert into t values (2, 1, 1, 1, 'No space left on device'), (3, 1, 1, 1, 'No space left on device')",
       Code::constraint_violation},
  });
}

TEST_F(DuckDbErrors, WhatIsWrongWithAStatementIsTheStatementsOwn) {
  expect({
      {"selec 1", Code::statement_invalid},
      {"select nothing from t", Code::statement_invalid, "nothing"},
      {"select * from nowhere", Code::statement_invalid, "nowhere"},
      {"select nofunction(1)", Code::statement_invalid},
      {"select 'x'::int from t", Code::statement_invalid},
      {"select cast('2024-13-01' as date) from t", Code::statement_invalid},
      {"select 9223372036854775807 + id from t", Code::statement_invalid},
      {"select error('boom') from t", Code::statement_invalid},
      {"insert into t values (1)", Code::statement_invalid},
      {"create table t (i int)", Code::statement_invalid},
      {"drop table p", Code::statement_invalid},
      {"set no_such_setting = 1", Code::statement_invalid},
      {"pragma no_such_pragma", Code::statement_invalid},
      {"select nextval('s')", Code::statement_invalid},
      {"select repeat('x', 5000000000)", Code::too_large},
  });
}

TEST_F(DuckDbErrors, FilesAndExtensionsHaveTheirCodes) {
  expect({
      {"select * from read_csv('/nowhere/x.csv')", Code::not_found},
      {"copy t to '/nowhere/x.csv'", Code::not_found},
      {"load spatial", Code::unsupported},
      {"attach 'x' as y (type postgres)", Code::unsupported},
  });
  run(*session_, "set enable_external_access = false");
  expect({{"copy t to '/tmp/x.csv'", Code::permission_denied}});
}

TEST_F(DuckDbErrors, RacesLostOverTheSchemaAreRunAgain) {
  const auto other = session();
  const auto race = [&](const char* first, const char* second) {
    session_->begin({});
    other->begin({});
    run(*session_, first);
    return error_of([&] {
      run(*other, second);
      session_->commit(false);
      other->commit(false);
    });
  };
  const auto altered = race("alter table p add column a int", "alter table p add column b int");
  EXPECT_EQ(altered.code(), Code::serialization_failure) << altered.what();
  session_->rollback();
  other->rollback();
  const auto created = race("create table c (i int)", "create table c (i int)");
  EXPECT_EQ(created.code(), Code::serialization_failure) << created.what();
  session_->rollback();
  other->rollback();
  run(*session_, "create table d (i int)");
  const auto dropped = race("drop table d", "insert into d values (1)");
  EXPECT_EQ(dropped.code(), Code::serialization_failure) << dropped.what();
  other->rollback();
}

TEST_F(DuckDbErrors, MemoryThatRunsOutEndsTheConnectionNotTheDatabase) {
  run(*session_, "set memory_limit = '20MB'");
  run(*session_, "set max_temp_directory_size = '1MB'");
  const auto hungry = session();
  EXPECT_THROW_CODE(
      run(*hungry, "select count(*) from (select distinct i, repeat('x', 100) || i from range(3000000) r(i))"),
      Code::too_large);
  EXPECT_FALSE(hungry->reset());
  EXPECT_EQ(number(*session_, "select count(*) from t"), 1);
}

// Writing further than this fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_signal_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    auto limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_signal_);
  }

 private:
  rlimit old_{};
  void (*old_signal_)(int);
};

constexpr const char* kMuch = "insert into big select i, repeat('x', 1000) || i from range(20000) r(i)";

TEST_F(DuckDbErrors, ACommitThatFindsTheDiskFullIsRolledBack) {
  run(*session_, "create table big (i int, s varchar)");
  run(*session_, "checkpoint");
  {
    const FileSizeLimit limit(600 * 1024);
    session_->begin({});
    run(*session_, kMuch);
    EXPECT_THROW_CODE(session_->commit(false), Code::disk_full);
    EXPECT_FALSE(session_->reset());
  }
  session_ = session();
  EXPECT_EQ(number(*session_, "select count(*) from big"), 0);
  run(*session_, kMuch);
  EXPECT_EQ(number(*session_, "select count(*) from big"), 20'000);
}

TEST_F(DuckDbErrors, ADatabaseThatTheEngineShutDownOpensAgainOnceEverybodyHasLeft) {
  run(*session_, "create table big (i int, s varchar)");
  run(*session_, "checkpoint");
  run(*session_, kMuch);
  const auto other = session();
  {
    const FileSizeLimit limit(600 * 1024);
    EXPECT_THROW_CODE(run(*session_, "checkpoint"), Code::disk_full);
  }
  EXPECT_THROW_CODE(run(*session_, "select 1"), Code::unavailable);
  EXPECT_FALSE(session_->reset());
  EXPECT_FALSE(other->reset());
  session_.reset();
  const auto error = error_of([&] { session(); });
  EXPECT_EQ(error.code(), Code::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("last connection"));
}

TEST_F(DuckDbErrors, ADatabaseThatTheEngineShutDownKeepsWhatWasCommitted) {
  run(*session_, "create table big (i int, s varchar)");
  run(*session_, "checkpoint");
  run(*session_, kMuch);
  {
    const FileSizeLimit limit(600 * 1024);
    EXPECT_THROW_CODE(run(*session_, "checkpoint"), Code::disk_full);
  }
  session_.reset();
  session_ = session();
  EXPECT_EQ(number(*session_, "select count(*) from big"), 20'000);
}

// A line of the log for each of two ends that a test cannot bring about.
TEST(DuckDbErrorTable, AFailureAfterTheCommitIsToldFromOneBefore) {
  const Fault after{DUCKDB_ERROR_IO,
                    "IO Error: Transaction COMMIT succeeded and is durable, but the autocheckpoint failed. Reopen the "
                    "database instance to recover. Could not write file"};
  EXPECT_TRUE(is_committed(after));
  EXPECT_TRUE(is_fatal(after));
  EXPECT_FALSE(is_committed({DUCKDB_ERROR_TRANSACTION, "TransactionContext Error: Failed to commit: Could not write"}));
}

TEST(DuckDbErrorTable, TheHolderOfALockIsRead) {
  EXPECT_EQ(lock_holder({DUCKDB_ERROR_IO, "Conflicting lock is held in /usr/bin/python3.11 (PID 1234). See also"}),
            1234);
  EXPECT_EQ(lock_holder({DUCKDB_ERROR_IO, "Conflicting lock is held in PID 77) by"}), 77);
  EXPECT_EQ(lock_holder({DUCKDB_ERROR_IO, "Could not set lock on file"}), 0);
}

TEST(DuckDbErrorTable, AnErrorIsOneLineWithoutTheExcerptOfTheStatement) {
  const auto error = to_error(
      fault_from_text("Binder Error: Referenced column \"a\" not found!\nCandidates: \"b\"\n\nLINE 1: x\n  ^"));
  EXPECT_EQ(error.native()->message, "Binder Error: Referenced column \"a\" not found! Candidates: \"b\"");
  EXPECT_EQ(error.native()->code, DUCKDB_ERROR_BINDER);
  EXPECT_EQ(fault_from_text(nullptr).type, DUCKDB_ERROR_INVALID);
}

}  // namespace
}  // namespace tidelock::sql::duckdb
