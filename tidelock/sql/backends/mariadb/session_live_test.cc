// What a session on a real server keeps, loses and forgets.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/testing/ledger.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/random.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;

class MariadbSessions : public testing::MariadbTest {
 protected:
  std::unique_ptr<Database> with_table(const std::string& parameters = {}) {
    auto db = open(parameters);
    db->script("create table t (a integer primary key, b varchar(100))");
    return db;
  }
};

TEST_F(MariadbSessions, AreMadeTheSameWhateverTheServersDefaults) {
  const auto db = open();
  auto connection = db->connect();
  EXPECT_EQ(connection.one<std::string>("select @@time_zone"), "+00:00");
  EXPECT_EQ(connection.one<std::string>("select @@character_set_client"), "utf8mb4");
  EXPECT_EQ(connection.one<std::string>("select @@character_set_results"), "utf8mb4");
  EXPECT_THAT(connection.one<std::string>("select @@sql_mode"), HasSubstr("STRICT_ALL_TABLES"));
  EXPECT_EQ(connection.one<std::string>(R"(select 'a\' || 'b' as "joined")"), R"(a\b)");
  EXPECT_EQ(connection.one<std::string>("select @@lc_messages"), "en_US");
  EXPECT_EQ(connection.one<std::string>("select @@completion_type"), "NO_CHAIN");
  const auto native = open("ansi=false");
  EXPECT_EQ(native->one<std::string>(R"(select concat('a\'', "?", ?))", "b"), "a'?b");
}

TEST_F(MariadbSessions, LeaveNothingToTheirNextUser) {
  const auto db = with_table("max_connections=1");
  std::int64_t session = 0;
  {
    auto connection = db->connect();
    session = connection.session_id();
    EXPECT_EQ(connection.one<int>("select a from t where a = ? union select 0 limit 1", 1), 0);
    connection.execute("set sql_mode = ''");
    connection.execute("set @mine = 7");
    connection.execute("create temporary table mine (a integer)");
    EXPECT_EQ(connection.one<int>("select get_lock('tidelock-test', 0)"), 1);
    auto tx = connection.begin({.isolation = Isolation::serializable, .lock_timeout = 7s});
    tx.execute("insert into t values (1, 'x')");
  }
  auto connection = db->connect();
  EXPECT_EQ(connection.session_id(), session);  // It is the same one.
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  EXPECT_THAT(connection.one<std::string>("select @@sql_mode"), HasSubstr("STRICT_ALL_TABLES"));
  EXPECT_EQ(connection.one<std::optional<std::int64_t>>("select @mine"), std::nullopt);
  EXPECT_EQ(connection.one<std::optional<std::int64_t>>("select is_used_lock('tidelock-test')"), std::nullopt);
  EXPECT_EQ(connection.one<int>("select @@innodb_lock_wait_timeout"), 5);
  EXPECT_THROW_CODE(connection.execute("insert into mine values (1)"), Code::statement_invalid);
  // A statement that was prepared before the session was reset.
  EXPECT_EQ(connection.one<int>("select a from t where a = ? union select 0 limit 1", 1), 0);
}

TEST_F(MariadbSessions, LeaveNoOtherDatabaseToTheirNextUser) {
  const auto chosen = [](Database& db) { return db.one<std::optional<std::string>>("select database()"); };
  auto url = url_;
  url.params["max_connections"] = "1";
  const auto with_one = open_url(url);
  url.path.clear();
  const auto without = open_url(url);
  for (auto* const db : {with_one.get(), without.get()}) {
    const auto own = chosen(*db);
    for (const auto* const sql : {"use mysql", "/*!use*/ mysql"}) {
      db->execute(sql);
      EXPECT_EQ(chosen(*db), own);
      db->script(sql);
      EXPECT_EQ(chosen(*db), own);
    }
  }
  EXPECT_EQ(chosen(*with_one), url_.path.substr(1));
  EXPECT_EQ(chosen(*without), std::nullopt);
}

// The client library closes a connection that was lost, and its number is given to the next that is opened.
TEST_F(MariadbSessions, ALostConnectionTouchesNobodyElsesDescriptor) {
  const auto db = with_table("max_connections=1");
  struct Pair {
    base::Descriptor mine, other;
  };
  std::vector<Pair> pairs;
  {
    auto connection = db->connect();
    kill(connection.session_id());
    EXPECT_THROW_CODE(connection.one<int>("select 1"), Code::connection_lost);
    for (int i = 0; i < 16; ++i) {
      std::array<int, 2> ends{};
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
      pairs.push_back({base::Descriptor(ends[0]), base::Descriptor(ends[1])});
    }
    EXPECT_THROW_CODE(connection.execute("insert into t values (1, 'x')"), Code::connection_lost);
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
  for (const auto& pair : pairs) {
    char byte = 'x';
    EXPECT_EQ(::send(pair.mine.get(), &byte, 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(::recv(pair.other.get(), &byte, 1, MSG_DONTWAIT), 1);
  }
}

// The server's type keeps the time of those of version 1 in an order of its own, and must know an old one from a new
// one.
TEST_F(MariadbSessions, ItsTypeOfUuidsRefusesAFewAndChangesNone) {
  const auto db = open();
  db->script("create table u (own uuid, plain char(36) character set ascii)");
  auto connection = db->connect();
  auto own = connection.prepare("insert into u (own) values (?)");
  auto plain = connection.prepare("insert into u (plain) values (?)");
  world::Random random(runtime_.random());
  for (int i = 0; i < 400; ++i) {
    base::Uuid uuid;
    for (auto& byte : uuid.bytes) byte = static_cast<std::uint8_t>(random.next());
    if (i < 256) {  // Each version with each variant.
      uuid.bytes[6] = static_cast<std::uint8_t>((i & 0xf0) | 1);
      uuid.bytes[8] = static_cast<std::uint8_t>((i & 0xf) << 4 | 2);
    }
    if (i == 256) uuid = {};
    if (i == 257) uuid.bytes.fill(0xff);
    connection.execute("delete from u where true or own is null");
    plain.execute(uuid);
    EXPECT_EQ(connection.one<base::Uuid>("select plain from u"), uuid);
    try {
      own.execute(uuid);
      EXPECT_EQ(connection.one<base::Uuid>("select own from u where own is not null"), uuid);
    } catch (const Error& error) {  // Which ones differs from one release of MariaDB 10.11 to the next.
      EXPECT_EQ(error.code(), Code::statement_invalid) << error.what();
      EXPECT_GE(uuid.bytes[6], 0x80) << uuid.to_string() << " is one of a version that exists";
    }
  }
}

// What the guard takes for one string, `'\''; drop table t; -- '`, is two statements where a backslash escapes.
TEST_F(MariadbSessions, AnSqlModeThatReadsTextInAnotherWayHidesNothingFromTheGuard) {
  const auto db = with_table("guarded=true");
  const std::string hidden = R"(select '\''; drop table t; -- ')";
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.script("set sql_mode = ''; " + hidden), Code::unsupported);
  EXPECT_THROW_CODE(connection.script("/*! set session sql_mode */ = ''; " + hidden), Code::unsupported);
  connection.script(hidden);  // One string.
  connection.execute("set sql_mode = ''");
  EXPECT_EQ(connection.one<int>("select 1"), 1);
  EXPECT_THROW_CODE(connection.script(hidden), Code::unsupported);
  EXPECT_THROW_CODE(connection.execute(R"(select '\n')"), Code::unsupported);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
}

// In GBK the last byte of a euro sign and a backslash, or a backtick, are one letter.
TEST_F(MariadbSessions, ACharacterSetThatReadsTextInAnotherWayHidesNothingFromTheGuard) {
  for (const auto& [parameters, hidden] :
       {std::pair("ansi=false&guarded=true&max_connections=1", "select '\xe2\x82\xac\\'; drop table t; -- '"),
        std::pair("guarded=true&max_connections=1", "select 1 as `\xe2\x82\xac`, 2 as `; drop table t; -- `")}) {
    SCOPED_TRACE(parameters);
    open()->script("create or replace table t (a integer)");
    const auto db = open(parameters);
    {
      auto connection = db->connect();
      EXPECT_THROW_CODE(connection.script(std::string("set names gbk; ") + hidden), Code::unsupported);
      connection.script(hidden);  // One string, or one name.
      connection.execute("set names gbk");
      EXPECT_EQ(connection.one<int>("select 1"), 1);
      EXPECT_THROW_CODE(connection.script(hidden), Code::unsupported);
      EXPECT_THROW_CODE(connection.execute(hidden), Code::unsupported);
      EXPECT_THROW_CODE(connection.bulk("t", {"\xe2\x82\xac"}), Code::unsupported);
    }
    EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
    db->script(hidden);
    EXPECT_EQ(db->one<std::string>("select @@character_set_client"), "utf8mb4");
  }
}

// What a stored function sets is told by the server.
TEST_F(MariadbSessions, LeaveNothingThatAProcedureSet) {
  const auto db = with_table("max_connections=1");
  db->script("create procedure p() begin set @from_a_procedure = 1; insert into t values (1, 'x'); end");
  db->connect().execute("call p()");
  EXPECT_EQ(db->one<std::optional<std::int64_t>>("select @from_a_procedure"), std::nullopt);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

// What the text of a statement does not show, as its function takes it inside.
TEST_F(MariadbSessions, LeaveNoLockThatAFunctionTook) {
  const auto db = with_table("max_connections=1");
  db->script(
      "create function take_it() returns int deterministic return get_lock('tidelock-test-taken', 0);"
      "create function set_it() returns int deterministic begin set @set_by_a_function = 1; signal sqlstate '45000'; "
      "return 1; "
      "end");
  const auto holder = [&] {
    return db->one<std::optional<std::int64_t>>("select is_used_lock('tidelock-test-taken')");
  };
  for (const auto* const sql : {"select `get_lock`('tidelock-test-taken', 0)", "select take_it()",
                                R"(select "get_lock"('tidelock-test-taken', 0))", "do take_it()"}) {
    SCOPED_TRACE(sql);
    db->connect().execute(sql);
    EXPECT_EQ(holder(), std::nullopt);
  }
  EXPECT_THROW(db->connect().execute("select set_it()"), Error);
  EXPECT_EQ(db->one<std::optional<std::int64_t>>("select @set_by_a_function"), std::nullopt);
}

TEST_F(MariadbSessions, LeaveNoRoleToTheirNextUser) {
  const auto number = std::to_string(runtime_.random() % 1'000'000'000);
  const auto user = "u" + number + "@'127.0.0.1'";
  const auto role = "r" + number;
  admin_->execute("create user " + user);
  admin_->execute("create role " + role);
  admin_->execute("grant " + role + " to " + user);
  open();
  admin_->execute("grant all on `" + url_.path.substr(1) + "`.* to " + user);
  auto url = url_;
  url.user = "u" + number;
  url.password = {};
  url.params["max_connections"] = "1";
  {
    const auto db = open_url(url);
    for (const bool by_script : {false, true}) {
      {
        auto connection = db->connect();
        by_script ? connection.script("set role " + role) : static_cast<void>(connection.execute("set role " + role));
        EXPECT_EQ(connection.one<std::optional<std::string>>("select current_role()"), role);
      }
      EXPECT_EQ(db->one<std::optional<std::string>>("select current_role()"), std::nullopt);
    }
  }
  admin_->execute("drop user " + user);
  admin_->execute("drop role " + role);
}

TEST_F(MariadbSessions, AProcedureGivesTheRowsOfItsFirstResult) {
  const auto db = with_table();
  db->script("create procedure p() begin select 1 as n union select 2; select 'other'; end");
  auto connection = db->connect();
  int sum = 0;
  for (const auto row : connection.query("call p()")) sum += row.get<int>("n");
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(connection.one<int>("select 5"), 5);
}

TEST_F(MariadbSessions, RefuseInATransactionWhatWouldCommitIt) {
  const auto db = with_table();
  auto connection = db->connect();
  {
    auto tx = connection.begin();
    tx.execute("insert into t values (1, 'x')");
    EXPECT_THROW_CODE(tx.execute("create table u (a integer)"), Code::unsupported);
    EXPECT_THROW_CODE(tx.script("truncate table t"), Code::unsupported);
    EXPECT_THROW_CODE(tx.execute("/*!commit*/"), Code::misuse);
    tx.execute("create temporary table u (a integer)");
    tx.rollback();
  }
  {
    auto tx = connection.begin({.read_only = true});
    EXPECT_THROW_CODE(tx.execute("create table u (a integer)"), Code::read_only);
    EXPECT_THROW_CODE(tx.execute("analyze update t set b = 'y'"), Code::read_only);
    EXPECT_THAT(tx.one<std::string>("analyze format=json select * from t"), HasSubstr("query_block"));
  }
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  EXPECT_THROW_CODE(connection.script("start transaction; insert into t values (1, 'x')"), Code::misuse);
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 0);
  connection.script("start transaction; insert into t values (1, 'x'); commit");
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 1);
}

TEST_F(MariadbSessions, ValuesAtTheLimitsOfColumns) {
  const auto db = open();
  db->script(
      "create table v (u bigint unsigned, b bit(1), bits bit(64), y year, m mediumint unsigned, f float,"
      " e enum('a', 'b'), i inet6, t time(6), d date, c char(3))");
  db->execute(
      "insert into v values (18446744073709551615, b'1', x'ffffffffffffffff', 1999, 16777215, 0.5, 'b', '::1',"
      " '23:59:59.999999', '9999-12-31', 'x')");
  auto connection = db->connect();
  auto rows = connection.query("select * from v");
  ASSERT_TRUE(rows.next());
  const auto row = rows.row();
  EXPECT_EQ(row.get<Decimal>("u"), Decimal("18446744073709551615"));
  EXPECT_EQ(row.get<bool>("b"), true);
  EXPECT_EQ(row.get<Decimal>("bits"), Decimal("18446744073709551615"));
  EXPECT_EQ(row.get<int>("y"), 1999);
  EXPECT_EQ(row.get<int>("m"), 16777215);
  EXPECT_EQ(row.get<double>("f"), 0.5);
  EXPECT_EQ(row.get<std::string>("e"), "b");
  EXPECT_EQ(row.get<std::string>("i"), "::1");
  EXPECT_EQ(row.get<TimeOfDay>("t").since_midnight, 24h - 1us);
  EXPECT_EQ(row.get<std::string>("c"), "x");
  rows.finish();
  for (const auto* const sql : {"select cast('838:59:59' as time)", "select cast('-00:00:01' as time)"}) {
    EXPECT_THROW_CODE(connection.one<Value>(sql), Code::unsupported);
  }
  EXPECT_EQ(connection.one<int>("select 1"), 1);
}

TEST_F(MariadbSessions, ValuesThatAreTooLargeNameTheSetting) {
  const auto db = open();
  auto connection = db->connect();
  const auto most = connection.one<std::int64_t>("select @@max_allowed_packet");
  const auto error =
      error_of([&] { connection.one<std::int64_t>("select length(?)", Blob(static_cast<std::size_t>(most))); });
  EXPECT_EQ(error.code(), Code::too_large);
  EXPECT_THAT(error.message(), HasSubstr("max_allowed_packet"));
  EXPECT_EQ(connection.one<int>("select 1"), 1);  // The connection is as before.
}

TEST_F(MariadbSessions, BulkTakesNullsAndKindsThatChange) {
  const auto db = open();
  db->script("create table v (n bigint, r double, s longtext, b longblob, d date, ts datetime(6), x decimal(20, 5))");
  auto connection = db->connect();
  auto bulk = connection.bulk("v", {"n", "r", "s", "b", "d", "ts", "x"});
  constexpr int kRows = 10'000;
  const auto day = Date(std::chrono::days(20'000));
  for (int i = 0; i < kRows; ++i) {
    const bool null = i % 7 == 0;
    bulk.append(null ? std::optional<int>() : i, i * 0.5,
                null ? std::optional<std::string>() : "it's \\ " + std::to_string(i),
                Blob(static_cast<std::size_t>(i % 5)), day, Timestamp(day) + std::chrono::microseconds(i),
                Decimal(std::to_string(i) + ".25"));
  }
  bulk.append("77", 1, "x", nullptr, nullptr, nullptr, 5);  // Another kind in each column: the server converts them.
  bulk.append(1, 1.0, std::string(3'000'000, 'y'), Blob(2'000'000), day, Timestamp(day), Decimal("1"));
  EXPECT_EQ(bulk.finish(), kRows + 2);
  EXPECT_EQ(connection.one<int>("select count(*) from v where n is null"), (kRows + 6) / 7);
  EXPECT_EQ(connection.one<std::string>("select s from v where n = 9999"), "it's \\ 9999");
  EXPECT_EQ(connection.one<Timestamp>("select ts from v where n = 9998"),
            Timestamp(day) + std::chrono::microseconds(9998));
  EXPECT_EQ(connection.one<Decimal>("select x from v where n = 5"), Decimal("5.25"));
  EXPECT_EQ(connection.one<int>("select count(*) from v where n = 77 and x = 5 and b is null"), 1);
  EXPECT_EQ(connection.one<int>("select length(s) from v where length(b) = 2000000"), 3'000'000);
}

TEST_F(MariadbSessions, BulkIsStrict) {
  const auto db = open();
  db->script("create table v (n tinyint, s varchar(3))");
  auto connection = db->connect();
  const auto load = [&](int n, const std::string& s) {
    auto bulk = connection.bulk("v", {"n", "s"});
    bulk.append(1, "ok");
    bulk.append(n, s);
    bulk.finish();
  };
  EXPECT_THROW_CODE(load(1000, "ok"), Code::too_large);
  EXPECT_THROW_CODE(load(1, "long"), Code::too_large);
  EXPECT_EQ(connection.one<int>("select count(*) from v"), 0);
  load(2, "ok");
  EXPECT_EQ(connection.one<int>("select count(*) from v"), 2);
}

// Rows that nobody reads to the end: the statement is killed, and the connection goes on.
TEST_F(MariadbSessions, AQueryThatIsLeftEarlyIsKilled) {
  const auto db = open();
  auto connection = db->connect();
  const auto session = connection.session_id();
  for (int i = 0; i < 5; ++i) {
    {
      auto rows = connection.query("select seq + 0, repeat('x', 1000) from seq_1_to_100000000");
      ASSERT_TRUE(rows.next());
    }
    EXPECT_EQ(connection.one<int>("select ?", i), i);
  }
  EXPECT_EQ(connection.session_id(), session);
  auto tx = connection.begin();
  { auto rows = tx.query("select seq + 0 from seq_1_to_100000000"); }
  EXPECT_EQ(tx.one<int>("select 1"), 1);
  tx.commit();
}

TEST_F(MariadbSessions, ATimeoutInATransactionTakesBackItsStatementOnly) {
  const auto db = with_table();
  auto connection = db->connect();
  connection.set_statement_timeout(100ms);
  auto tx = connection.begin();
  tx.execute("insert into t values (1, 'x')");
  EXPECT_THROW_CODE(tx.execute("insert into t select seq, 'y' from seq_2_to_100000000"), Code::timeout);
  EXPECT_THROW_CODE(tx.one<int>("select sleep(20)"), Code::timeout);
  tx.commit();
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
}

TEST_F(MariadbSessions, AWaitForALockIsCancelled) {
  const auto db = with_table("busy_timeout=1h");
  db->execute("insert into t values (1, 'x')");
  auto holder = db->connect();
  auto tx = holder.begin();
  tx.execute("update t set b = 'y'");
  auto waiter = db->connect();
  std::atomic<bool> over = false;
  auto canceller = runtime_.spawn("canceller", [&, handle = waiter.canceller()](const std::stop_token&) {
    while (!over) {
      handle.cancel();
      runtime_.yield();
    }
  });
  EXPECT_THROW_CODE(waiter.execute("update t set b = 'z'"), Code::cancelled);
  over = true;
  canceller.join();
  EXPECT_EQ(waiter.one<std::string>("select b from t"), "x");
}

TEST_F(MariadbSessions, ALongTransactionUnderAnIdHasItsDatabaseToItself) {
  const auto db = with_table();
  auto elsewhere_url = url_;
  elsewhere_url.path += "_b";
  {
    const auto elsewhere = open_url(elsewhere_url);
    auto connection = db->connect();
    auto tx = connection.begin({.xid = "order:7"});
    tx.execute("insert into t values (1, 'x')");
    tx.prepare_commit();
    EXPECT_TRUE(elsewhere->prepared_transactions().empty());
    EXPECT_THROW_CODE(elsewhere->commit_prepared("order:7"), Code::not_found);
  }
  ASSERT_EQ(db->prepared_transactions().size(), 1U);
  EXPECT_EQ(db->prepared_transactions().front().xid, "order:7");
  EXPECT_FALSE(db->commit_prepared("order:7").empty());
  EXPECT_EQ(db->one<int>("select count(*) from t"), 1);
  admin_->execute("drop database `" + elsewhere_url.path.substr(1) + "`");
}

// The server rolls back what has written nothing, as soon as the session that prepared it has gone.
TEST_F(MariadbSessions, ATransactionThatOnlyReadHasNothingToCommitInItsSecondPhase) {
  const auto db = with_table();
  const auto prepare = [&] {
    auto connection = db->connect();
    auto tx = connection.begin({.read_only = true, .xid = "read-only"});
    EXPECT_EQ(tx.one<int>("select count(*) from t"), 0);
    tx.prepare_commit();
  };
  prepare();
  db->rollback_prepared("read-only");
  prepare();
  EXPECT_THROW_CODE(db->commit_prepared("read-only"), Code::serialization_failure);
  EXPECT_TRUE(db->prepared_transactions().empty());
}

TEST_F(MariadbSessions, ATransactionThatCouldNotBeginLeavesNothingToTheNext) {
  const auto db = with_table();
  {
    auto holder = db->connect();
    auto tx = holder.begin({.xid = "taken"});
    tx.execute("insert into t values (1, 'x')");
    tx.prepare_commit();
  }
  auto connection = db->connect();
  EXPECT_THROW_CODE(connection.begin({.read_only = true, .xid = "taken"}), Code::already_exists);
  connection.execute("insert into t values (2, 'y')");  // It is not the one that was to be read-only.
  db->commit_prepared("taken");
  EXPECT_EQ(connection.one<int>("select count(*) from t"), 2);
}

// The server ends the session at every step of a transaction, before its commit and after: what became of it is known.
TEST_F(MariadbSessions, AKilledConnectionIsToldAtEveryStep) {
  const auto db = with_table();
  for (int step = 0; step < 5; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    db->execute("delete from t");
    auto connection = db->connect();
    const auto session = connection.session_id();
    std::optional<Code> code;
    try {
      if (step == 0) kill(session);
      auto tx = connection.begin();
      if (step == 1) kill(session);
      tx.execute("insert into t values (1, 'x')");
      if (step == 2) kill(session);
      EXPECT_EQ(tx.one<int>("select count(*) from t"), 1);
      if (step == 3) kill(session);
      tx.commit();
      if (step == 4) kill(session);
    } catch (const Error& error) {
      code = error.code();
    }
    const auto rows = db->one<int>("select count(*) from t");
    switch (step) {
      case 4:
        EXPECT_EQ(code, std::nullopt);
        EXPECT_EQ(rows, 1);
        break;
      default:
        EXPECT_EQ(code, Code::connection_lost);
        EXPECT_EQ(rows, 0);
        break;
    }
  }
  EXPECT_EQ(db->one<int>("select 1"), 1);
}

using MariadbCommits = testing::MariadbPlain;
using MariadbDefaults = testing::MariadbPlain;

// A setting of the server for a scope, as a fresh session finds it.
class Global {
 public:
  Global(Database& admin, std::string name, const std::string& value) : admin_(admin), name_(std::move(name)) {
    before_ = admin.one<std::string>("select cast(@@global." + name_ + " as char)");
    set(value);
  }
  ~Global() {
    const bool is_number = before_.find_first_not_of("0123456789") == std::string::npos;
    set(is_number ? before_ : "'" + before_ + "'");
  }
  Global(const Global&) = delete;
  Global& operator=(const Global&) = delete;

 private:
  void set(const std::string& value) { admin_.script("set global " + name_ + " = " + value); }

  Database& admin_;
  const std::string name_;
  std::string before_;
};

TEST_F(MariadbDefaults, OfTheServerDoNotReachASession) {
  const Global chain(*admin_, "completion_type", "'CHAIN'");
  const Global isolation(*admin_, "tx_isolation", "'READ-UNCOMMITTED'");
  const Global reads_only(*admin_, "tx_read_only", "1");
  const Global language(*admin_, "lc_messages", "'de_DE'");
  const auto db = open("max_connections=1");
  db->script("create table t (id integer primary key)");
  auto connection = db->connect();
  EXPECT_EQ(connection.one<std::string>("select @@tx_isolation"), "REPEATABLE-READ");
  {
    auto tx = connection.begin();
    tx.execute("insert into t values (1)");
    tx.commit();
  }
  connection.execute("insert into t values (2)");  // Not in a transaction that a commit has begun.
  EXPECT_EQ(connection.one<int>("select @@in_transaction"), 0);
  const auto twice = error_of([&] { connection.execute("insert into t values (1)"); });
  EXPECT_EQ(twice.object(), "PRIMARY") << twice.what();
}

// A batch is one packet.
TEST_F(MariadbDefaults, BulkSendsNoMoreAtATimeThanTheServerTakes) {
  const Global packet(*admin_, "max_allowed_packet", "1048576");
  const auto db = open("max_connections=1");
  std::string columns, names;
  std::vector<std::string> wide;
  for (int i = 0; i < 40; ++i) {
    wide.push_back("c" + std::to_string(i));
    columns += (i == 0 ? "" : ", ") + wide.back() + (i % 2 == 0 ? " decimal(65, 30)" : " uuid");
  }
  db->script("create table long_texts (s varchar(300)); create table wide (" + columns + ")");
  auto connection = db->connect();
  constexpr int kRows = 5000;
  {
    auto bulk = connection.bulk("long_texts", {"s"});
    for (int i = 0; i < kRows; ++i) bulk.append(std::string(300, 'x'));
    EXPECT_EQ(bulk.finish(), kRows);
  }
  {
    auto bulk = connection.bulk("wide", wide);
    const Decimal number("12345678901234567890123456789012345.123456789012345678901234567890");
    std::vector<ValueView> row;
    for (int i = 0; i < 40; ++i) {
      row.push_back(i % 2 == 0 ? ValueView(DecimalView{number.text()}) : ValueView(base::Uuid{}));
    }
    for (int i = 0; i < kRows; ++i) bulk.append_values(row);
    EXPECT_EQ(bulk.finish(), kRows);
  }
  EXPECT_EQ(connection.one<int>("select count(*) from wide"), kRows);
  // As many parameters as the protocol has.
  std::vector<ValueView> values(60'000, ValueView(base::Uuid{}));
  std::string sql = "select ?";
  for (std::size_t i = 1; i < values.size(); ++i) sql += i == 1 ? " in (?" : ", ?";
  EXPECT_THROW_CODE(connection.query_values(sql + ")", values), Code::too_large);
  EXPECT_EQ(connection.one<int>("select 1"), 1);
}

// In the middle of it: the server waits for a backup that lets nobody commit.
TEST_F(MariadbCommits, ACommitWhoseConnectionIsKilledIsUnknown) {
  const auto db = open("max_connections=1");
  db->script("create table t (id bigint not null)");
  sql::testing::Ledger ledger;
  auto backup = admin_->connect();
  backup.script("backup stage start; backup stage flush; backup stage block_ddl; backup stage block_commit");
  base::Task killer;
  const auto told = ledger.note(1, [&] {
    auto connection = db->connect();
    const auto session = connection.session_id();
    auto tx = connection.begin();
    tx.execute("insert into t values (1)");
    killer = runtime_.spawn("killer", [&, session](const std::stop_token&) {
      const auto waits = [&] {
        return backup.one<int>(
                   "select count(*) from information_schema.processlist where id = ? and info = 'commit' and state "
                   "like "
                   "'Waiting for%'",
                   session) == 1;
      };
      for (const auto deadline = runtime_.in(30s); !waits() && !deadline.passed(runtime_.now());)
        runtime_.sleep_for(1ms);
      EXPECT_TRUE(waits());
      backup.script("kill connection " + std::to_string(session));
    });
    tx.commit();
  });
  killer.join();
  backup.script("backup stage end");
  EXPECT_EQ(told, sql::testing::Told::unknown);
  const auto others = "select count(*) from information_schema.processlist where db = '" + url_.path.substr(1) + "'";
  for (const auto deadline = runtime_.in(30s); admin_->one<int>(others) != 0;) {
    ASSERT_FALSE(deadline.passed(runtime_.now()));
    runtime_.sleep_for(1ms);
  }
  ledger.expect_kept(*db);
}

// Nothing comes as far as the server, and that is known.
TEST_F(MariadbSessions, AConnectionThatWasLostBeforeAStatementByItselfIsNoUnknownOutcome) {
  const auto db = with_table("max_connections=2");
  db->script(
      "create function f() returns int deterministic modifies sql data begin insert into t values (3, 'x'); return 1; "
      "end");
  {
    auto connection = db->connect();
    auto insert = connection.prepare("insert into t values (1, 'x')");
    kill(connection.session_id());
    EXPECT_THROW_CODE(insert.execute(), Code::connection_lost);
    EXPECT_THROW_CODE(connection.execute("insert into t values (2, 'x')"), Code::connection_lost);
  }
  {
    auto connection = db->connect();
    kill(connection.session_id());
    EXPECT_THROW_CODE(connection.script("insert into t values (4, 'x')"), Code::connection_lost);
  }
  {
    auto connection = db->connect();
    kill(connection.session_id());
    EXPECT_THROW_CODE(connection.one<int>("select count(*) from t"), Code::connection_lost);
    EXPECT_THROW_CODE(connection.one<int>("select count(*) from t"), Code::connection_lost);
  }
  {
    auto connection = db->connect();
    auto query = connection.prepare("select f()");  // Committed by itself, as a statement that writes.
    kill(connection.session_id());
    EXPECT_THROW_CODE(query.execute(), Code::connection_lost);
  }
  EXPECT_EQ(db->one<int>("select count(*) from t"), 0);
}

TEST_F(MariadbSessions, TransactRunsTheUnitAgainOnANewConnection) {
  const auto db = with_table();
  int runs = 0;
  transact(*db, {.retry = {.max_attempts = 3, .backoff = {.base = 1us, .cap = 1us}}}, [&](Transaction& tx) {
    const auto session = tx.one<std::int64_t>("select connection_id()");
    tx.execute("insert into t values (1, 'x')");
    if (++runs < 3) kill(session);
    tx.execute("insert into t values (2, 'y')");
  });
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(db->one<int>("select count(*) from t"), 2);
}

TEST_F(MariadbSessions, AConnectionThatWasHungUpIsNotHandedOut) {
  const auto db = with_table("max_connections=1");
  std::int64_t session = 0;
  {
    const auto connection = db->connect();
    session = connection.session_id();
  }
  kill(session);
  EXPECT_EQ(db->execute("insert into t values (1, 'x')"), 1);
  EXPECT_NE(db->connect().session_id(), session);
}

TEST_F(MariadbSessions, PositionsAreGtidsOfTheServer) {
  const auto db = with_table();
  auto connection = db->connect();
  auto tx = connection.begin();
  tx.execute("insert into t values (1, 'x')");
  const auto position = tx.commit();
  EXPECT_EQ(position.text, connection.one<std::string>("select @@last_gtid"));
  const auto& compare = db->dialect().compare_positions;
  EXPECT_TRUE(compare({"0-1-9"}, {"0-1-10"}) < 0);
  EXPECT_TRUE(compare({"0-2-10"}, {"0-1-9"}) > 0);
  EXPECT_EQ(compare({"0-1-9"}, {"1-1-10"}), std::partial_ordering::unordered);
  EXPECT_EQ(compare({"0-1-9"}, {"0-2-9"}), std::partial_ordering::unordered);
  EXPECT_EQ(compare({"0-1-9x"}, {"0-1-9"}), std::partial_ordering::unordered);
}

}  // namespace
}  // namespace tidelock::sql::mariadb
