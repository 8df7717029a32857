// The error table against errors that a real server makes.
#include <gmock/gmock.h>
#include <mysqld_error.h>

#include <utility>
#include <vector>

#include "tidelock/sql/backends/mariadb/errors.h"
#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/transaction.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;

struct Row {
  const char* sql;
  Code code;
  int number;
  const char* object = nullptr;  // Null: any.
};

class MariadbErrors : public testing::MariadbTest {
 protected:
  void SetUp() override {
    MariadbTest::SetUp();
    if (IsSkipped()) return;
    db_ = open("busy_timeout=0s");
    db_->script(
        "create table p (id int primary key); insert into p values (1);"
        "create table t (id int primary key, p int, x int, y int not null, z varchar(5) unique,"
        "  constraint t_p foreign key (p) references p (id), constraint t_x check (x > 0));"
        "insert into t values (1, 1, 1, 1, 'a')");
  }
  void expect(Executor& on, const Row& row) {
    const auto error = error_of([&] { on.execute(row.sql); });
    EXPECT_EQ(name(error.code()), name(row.code)) << row.sql << ": " << error.what();
    ASSERT_TRUE(error.native()) << row.sql << ": " << error.what();
    EXPECT_EQ(error.native()->code, row.number) << row.sql << ": " << error.what();
    EXPECT_THAT(std::string(error.what()), Not(HasSubstr("\n"))) << row.sql;
    if (row.object == nullptr) return;
    EXPECT_EQ(error.object(), row.object) << error.what();
  }
  std::unique_ptr<Database> db_;
};

TEST_F(MariadbErrors, ConstraintsAreToldWithWhatTheyAreOn) {
  auto connection = db_->connect();
  for (const auto& row : {
           Row{"insert into t values (1, 1, 1, 1, 'b')", Code::constraint_violation, ER_DUP_ENTRY, "PRIMARY"},
           Row{"insert into t values (2, 1, 1, 1, 'a')", Code::constraint_violation, ER_DUP_ENTRY, "z"},
           Row{"insert into t values (2, 9, 1, 1, 'b')", Code::constraint_violation, ER_NO_REFERENCED_ROW_2, "t_p"},
           Row{"insert into t values (2, 1, 0, 1, 'b')", Code::constraint_violation, 4025, "t_x"},
           Row{"insert into t values (2, 1, 1, null, 'b')", Code::constraint_violation, ER_BAD_NULL_ERROR, "y"},
           Row{"insert into t (id) values (2)", Code::constraint_violation, ER_NO_DEFAULT_FOR_FIELD, "y"},
           Row{"delete from p", Code::constraint_violation, ER_ROW_IS_REFERENCED_2, "t_p"},
       }) {
    expect(connection, row);
  }
}

TEST_F(MariadbErrors, StatementsAreRefusedForWhatTheySay) {
  auto connection = db_->connect();
  for (const auto& row : {
           Row{"selec 1", Code::statement_invalid, ER_PARSE_ERROR},
           Row{"select * from nowhere", Code::statement_invalid, ER_NO_SUCH_TABLE},
           Row{"select nothing from t", Code::statement_invalid, ER_BAD_FIELD_ERROR, "nothing"},
           Row{"insert into t values (2, 1, 1, 1, 'too long')", Code::too_large, ER_DATA_TOO_LONG, "z"},
           Row{"insert into t values (99999999999, 1, 1, 1, 'b')", Code::too_large, ER_WARN_DATA_OUT_OF_RANGE, "id"},
           Row{"create table t (a int)", Code::statement_invalid, ER_TABLE_EXISTS_ERROR, "t"},
           Row{"select 1 / 0 from t where id in (select id, p from t)", Code::statement_invalid, ER_OPERAND_COLUMNS},
           Row{"use nowhere", Code::not_found, ER_BAD_DB_ERROR, "nowhere"},
           Row{"prepare s from 'select 1'", Code::unsupported, ER_UNSUPPORTED_PS},
           Row{"load data local infile '/etc/hostname' into table p", Code::unsupported, 4166},
       }) {
    expect(connection, row);
  }
  expect(connection,
         {"insert into t values ('x', 1, 1, 1, 'b')", Code::statement_invalid, ER_TRUNCATED_WRONG_VALUE_FOR_FIELD});
  db_->script("create table narrow (c varchar(9) character set latin1)");
  connection.execute("insert into narrow values ('caf\xc3\xa9')");
  expect(connection, {"insert into narrow values ('\xe4\xb8\xad')", Code::invalid_argument,
                      ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, "c"});
  connection.execute("set max_statement_time = 0.01");
  expect(connection, {"select sum(seq + 1) from seq_1_to_1000000000", Code::timeout, ER_STATEMENT_TIMEOUT});
}

// Lock waits that time out take back their statement, and the transaction goes on; deadlocks and lost snapshots take it
// all. Nothing is committed by what comes after them.
TEST_F(MariadbErrors, SomeErrorsEndTheTransactionAndSomeTheStatement) {
  db_->script("insert into p values (2)");
  auto first = db_->connect();
  auto second = db_->connect();
  {
    auto holder = first.begin();
    holder.execute("update p set id = 7 where id = 2");
    auto tx = second.begin();
    tx.execute("insert into p values (3)");
    expect(tx, {"delete from p where id = 2", Code::database_locked, ER_LOCK_WAIT_TIMEOUT});
    expect(tx, {"select * from p where id = 2 for update nowait", Code::database_locked, ER_LOCK_WAIT_TIMEOUT});
    tx.commit();
  }
  EXPECT_EQ(db_->one<int>("select count(*) from p where id = 3"), 1);

  if (db_->dialect().has(Isolation::snapshot)) {
    auto tx = first.begin({.isolation = Isolation::snapshot});
    EXPECT_EQ(tx.one<int>("select count(*) from p"), 3);
    tx.execute("insert into p values (4)");
    second.execute("update t set x = 5 where id = 1");
    expect(tx, {"update t set x = 6 where id = 1", Code::serialization_failure, ER_CHECKREAD, "t"});
    EXPECT_THROW_CODE(tx.execute("insert into p values (5)"), Code::serialization_failure);
    EXPECT_THROW_CODE(tx.commit(), Code::serialization_failure);
    EXPECT_EQ(db_->one<int>("select count(*) from p where id in (4, 5)"), 0);
  }
}

TEST_F(MariadbErrors, OneOfTwoInADeadlockIsToldToRunAgain) {
  const auto db = open("busy_timeout=20s");
  db->script("insert into p values (2)");
  auto first = db->connect();
  auto second = db->connect();
  auto a = first.begin();
  auto b = second.begin();
  a.one<int>("select id from p where id = 1 for update");
  b.one<int>("select id from p where id = 2 for update");
  const auto crossed = [](Transaction& tx, int id) {
    try {
      tx.one<int>("select id from p where id = ? for update", id);
      tx.commit();
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::deadlock) << error.what();
      EXPECT_EQ(error.disposition(), Disposition::rerun_unit);
      EXPECT_THROW_CODE(tx.commit(), Code::deadlock);
      return true;
    }
  };
  bool lost = false;
  auto other = runtime_.spawn("the other", [&](const std::stop_token&) { lost = crossed(a, 2); });
  const bool lost_too = crossed(b, 1);
  other.join();
  EXPECT_NE(lost, lost_too);
}

TEST_F(MariadbErrors, PrivilegesAreTheServersToGive) {
  const auto user = "u" + std::to_string(runtime_.random() % 1'000'000'000);
  admin_->execute("create user " + user + "@'127.0.0.1' identified by 'secret-of-the-user'");
  admin_->execute("grant select on " + url_.path.substr(1) + ".t to " + user + "@'127.0.0.1'");
  auto url = url_;
  url.user = user;
  url.password = base::Secret("secret-of-the-user");
  url.params["mode"] = "rw";
  {
    const auto db = open_url(url);
    auto connection = db->connect();
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 1);
    for (const auto& row :
         {Row{"delete from t", Code::permission_denied, ER_TABLEACCESS_DENIED_ERROR},
          Row{"create table u (a int)", Code::permission_denied, ER_TABLEACCESS_DENIED_ERROR},
          Row{"set global max_connections = 7", Code::permission_denied, ER_SPECIFIC_ACCESS_DENIED_ERROR}}) {
      expect(connection, row);
    }
  }
  url.password = base::Secret("another-secret");
  const auto error = error_of([&] { open_url(url); });
  EXPECT_EQ(error.code(), Code::permission_denied) << error.what();
  EXPECT_THAT(std::string(error.what()), HasSubstr(user));
  EXPECT_THAT(std::string(error.what()), Not(HasSubstr("secret")));
  admin_->execute("drop user " + user + "@'127.0.0.1'");
}

TEST(MariadbErrorTable, EveryNumberHasOneMeaning) {
  EXPECT_EQ(meaning(ER_LOCK_DEADLOCK).code, Code::deadlock);
  EXPECT_EQ(meaning(1).code, Code::statement_invalid);
  EXPECT_EQ(meaning(2999).code, Code::internal);
  EXPECT_TRUE(ends_connection(2013));
  EXPECT_FALSE(ends_connection(ER_DUP_ENTRY));
  EXPECT_TRUE(ends_transaction(ER_LOCK_WAIT_TIMEOUT, true));
  EXPECT_FALSE(ends_transaction(ER_LOCK_WAIT_TIMEOUT, false));
  EXPECT_FALSE(refuses_commit(2013));
  EXPECT_FALSE(refuses_commit(1180));
}

}  // namespace
}  // namespace tidelock::sql::mariadb
