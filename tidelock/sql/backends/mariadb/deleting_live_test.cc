// delete_in_chunks() beside what a server does meanwhile.
#include <memory>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/delete_in_chunks.h"
#include "tidelock/sql/testing/watch.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using sql::testing::Watch;
using MariadbDeletingLive = testing::MariadbTest;
using MariadbFailover = testing::MariadbPlain;

// Locks are waited for in whole seconds.
TEST_F(MariadbDeletingLive, ARowThatIsLockedLongerThanAStatementMayTakeIsWaitedFor) {
  const auto rival = open();
  rival->script("create table t (id integer primary key); insert into t select seq from seq_1_to_100");
  for (const auto* const limit : {"1s", "2s"}) {
    const auto db = open("statement_timeout=" + std::string(limit));
    auto connection = rival->connect();
    auto other = connection.begin();
    other.query("select 1 from t where id = 55 for update").next();
    const auto watch = std::make_shared<Watch>();
    watch->failed = [&](const StatementEvent&) {
      if (watch->failures.size() == 3) other.rollback();
    };
    db->observe(watch);
    EXPECT_EQ(delete_in_chunks(*db, "t", "id <= 80", {.chunk_rows = 30}).done.deleted, 80) << limit;
    EXPECT_EQ(watch->failures, std::vector<Code>(3, Code::database_locked)) << limit;
    EXPECT_EQ(rival->one<int>("select count(*) from t"), 20);
    rival->script("insert into t select seq from seq_1_to_80");
  }
}

TEST_F(MariadbDeletingLive, ADeletionThatIsTooSlowByItselfIsNotRunAgain) {
  open()->script(
      "create table t (id integer primary key); insert into t select seq from seq_1_to_15;"
      "create trigger slow before delete on t for each row set @a = sleep(0.1)");
  const auto db = open("statement_timeout=1s");
  const auto watch = std::make_shared<Watch>();
  db->observe(watch);
  EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "id > 0"), Code::timeout);
  EXPECT_EQ(watch->failures, std::vector<Code>{Code::timeout});
  EXPECT_EQ(delete_in_chunks(*db, "t", "id > 0", {.chunk_rows = 1}).done.deleted, 15);
}

TEST_F(MariadbDeletingLive, AConditionMayDrawNumbers) {
  const auto db = open();
  db->script(
      "create sequence s; create table t (id integer primary key); create table u (id integer);"
      "insert into t select seq from seq_1_to_100; insert into u select seq from seq_1_to_100");
  for (const auto* const table : {"t", "u"}) {
    const DeleteOptions options{.chunk_rows = 20, .count_first = true};
    EXPECT_EQ(delete_in_chunks(*db, table, "nextval(s) > 0 and id <= 50", options).done.deleted, 50) << table;
  }
}

TEST_F(MariadbFailover, AServerThatWillWriteAgainIsWaitedForAndOneThatNeverDidIsNot) {
  open()->script(
      "create table t (id integer primary key); insert into t select seq from seq_1_to_10; create table u (id "
      "integer)");
  auto url = url_;
  url.user = "app";  // Who may not do what read_only forbids.
  const auto db = open_url(url);
  const auto set_read_only = [&](bool on) {
    admin_->script(on ? "set global read_only = 1" : "set global read_only = 0");
  };
  const std::shared_ptr<void> at_end(nullptr, [&](void*) { set_read_only(false); });
  const auto watch = std::make_shared<Watch>();
  watch->failed = [&](const StatementEvent&) {
    if (watch->failures.size() == 4) set_read_only(false);
  };
  db->observe(watch);
  // While rows are left, and when none is.
  for (const int most : {10, 5}) {
    watch->failures.clear();
    const auto on_progress = [&](const DeleteProgress& progress) {
      if (progress.chunks == 1) set_read_only(true);
    };
    const auto result =
        delete_in_chunks(*db, "t", "id <= " + std::to_string(most), {.chunk_rows = 5, .on_progress = on_progress});
    EXPECT_EQ(result.done.deleted, most);
    EXPECT_EQ(watch->failures, std::vector<Code>(4, Code::read_only_server));
    open()->script("replace into t select seq from seq_1_to_10");
  }
  set_read_only(true);
  watch->failures.clear();
  EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "id < 0"), Code::read_only_server);
  EXPECT_THROW_CODE(delete_in_chunks(*db, "u", "id < 0"), Code::read_only_server);
  EXPECT_EQ(watch->failures, std::vector<Code>(2, Code::read_only_server));
}

}  // namespace
}  // namespace tidelock::sql::mariadb
