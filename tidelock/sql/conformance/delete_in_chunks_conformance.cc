// delete_in_chunks() on every engine.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/delete_in_chunks.h"
#include "tidelock/sql/guard.h"
#include "tidelock/sql/observer.h"

namespace tidelock::sql::conformance {
namespace {

using namespace std::chrono_literals;
using base::testing::error_text;

TIDELOCK_SQL_CONFORMANCE(SqlDeleteInChunks);

// Ids 1 to `count`.
void fill(Database& db, int count, const std::string& columns = "id integer primary key, kind integer") {
  db.script("create table t (" + columns + ")");
  auto connection = db.connect();
  auto transaction = connection.begin();
  for (int i = 1; i <= count; ++i) transaction.execute("insert into t (id, kind) values (?, ?)", i, i % 3);
  transaction.commit();
}

std::int64_t rows_of(Database& db, const std::string& condition = "1 = 1") {
  return db.one<std::int64_t>("select count(*) from t where " + condition);
}

TEST_P(SqlDeleteInChunks, AConditionThatReadsItsOwnTableIsRefusedUnlessItStaysRightWhileRowsGo) {
  run([](const Place& place) {
    const auto db = place.open();
    fill(*db, 10);
    for (const auto* const condition : {"id < (select avg(id) from t)", "kind in (select x.kind from T x)"}) {
      EXPECT_THROW_CODE(delete_in_chunks(*db, "t", condition, {.chunk_rows = 2}), Code::statement_invalid);
    }
    EXPECT_EQ(rows_of(*db), 10);
    const auto result = delete_in_chunks(*db, "t", "exists (select 1 from t o where o.kind = t.kind and o.id < t.id)",
                                         {.chunk_rows = 2, .reads_own_table = true});
    EXPECT_EQ(result.done.deleted, 7);
    EXPECT_EQ(rows_of(*db, "id > 3"), 0);
  });
}

TEST_P(SqlDeleteInChunks, DeletesWhatMeetsTheConditionInChunksByKey) {
  run([](const Place& place) {
    const auto db = place.open();
    fill(*db, 100);
    std::vector<std::string> positions;
    const auto result = delete_in_chunks(*db, "t", "kind = ? -- and no more",
                                         {.chunk_rows = 10,
                                          .count_first = true,
                                          .values = {std::int64_t{1}},
                                          .on_progress = [&](const DeleteProgress& progress) {
                                            EXPECT_EQ(rows_of(*db, "kind = 1"), 34 - progress.deleted);
                                            EXPECT_EQ(progress.total, 34);
                                            positions.push_back(progress.position);
                                          }});
    EXPECT_EQ(result.done.deleted, 34);
    EXPECT_EQ(result.done.chunks, 4);
    EXPECT_FALSE(result.stopped);
    EXPECT_EQ(result.uncertain_chunks, 0);
    EXPECT_EQ(positions, (std::vector<std::string>{"[28]", "[58]", "[88]", "[100]"}));
    EXPECT_EQ(rows_of(*db), 66);
    EXPECT_EQ(delete_in_chunks(*db, "t", "kind = 1").done.chunks, 0);
  });
}

TEST_P(SqlDeleteInChunks, GoesOnWhereItWasStopped) {
  run([](const Place& place) {
    const auto db = place.open();
    fill(*db, 60);
    std::stop_source stop;
    const auto first = delete_in_chunks(
        *db, "t", "true", {.chunk_rows = 20, .stop = stop.get_token(), .on_progress = [&](const DeleteProgress&) {
                             stop.request_stop();
                           }});
    EXPECT_TRUE(first.stopped);
    EXPECT_EQ(first.done.deleted, 20);
    EXPECT_EQ(first.done.position, "[20]");
    db->execute("insert into t values (5, 0)");
    const auto second = delete_in_chunks(*db, "t", "true", {.after = first.done.position});
    EXPECT_EQ(second.done.deleted, 40);
    EXPECT_EQ(rows_of(*db), 1) << "what lies before the position is not looked at again";
    EXPECT_EQ(delete_in_chunks(*db, "t", "true").done.deleted, 1);
    const auto none = delete_in_chunks(*db, "t", "true", {.after = "[7]", .stop = stop.get_token()});
    EXPECT_TRUE(none.stopped);
    EXPECT_EQ(none.done.position, "[7]");
  });
}

TEST_P(SqlDeleteInChunks, AKeyMayHaveSeveralColumnsOfAnyKind) {
  run([](const Place& place) {
    const auto db = place.open();
    const auto day = db->dialect().column_type(Kind::date);
    db->script("create table t (day " + day +
               " not null, name varchar(20) not null, n integer not null, primary key (day, name, n))");
    for (int i = 0; i < 60; ++i) {
      db->execute("insert into t values (?, ?, ?)", Date(std::chrono::days(i / 20)), i % 20 < 10 ? "a'ä" : "b", i);
    }
    const std::vector<std::string> key = {"day", "name", "n"};
    std::string last;
    const auto result = delete_in_chunks(
        *db, "t", "n <> 7", {.chunk_rows = 7, .key = key, .on_progress = [&](const DeleteProgress& progress) {
                               last = progress.position;
                               EXPECT_EQ(rows_of(*db), 60 - progress.deleted);
                             }});
    EXPECT_EQ(result.done.deleted, 59);
    EXPECT_EQ(result.done.chunks, 9);
    EXPECT_EQ(last, R"([{"date":"1970-01-03"},"b",59])");
    EXPECT_EQ(delete_in_chunks(*db, "t", "true", {.key = key, .after = last}).done.deleted, 0);
    EXPECT_EQ(delete_in_chunks(*db, "t", "true", {.key = key, .after = R"([{"date":"1969-12-31"},"",0])"}).done.deleted,
              1);
  });
}

TEST_P(SqlDeleteInChunks, AKeyMayBeBytes) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (k " + db->dialect().column_type(Kind::blob) + " not null, n integer)");
    for (int i = 0; i < 30; ++i) {
      db->execute("insert into t values (?, ?)", Blob{std::byte(i * 8), std::byte{0}, std::byte(255 - i)}, i);
    }
    const auto result = delete_in_chunks(*db, "t", "n <> 7", {.chunk_rows = 7, .key = {"k"}});
    EXPECT_EQ(result.done.deleted, 29);
    EXPECT_EQ(result.done.chunks, 5);
    EXPECT_EQ(result.done.position, R"([{"blob":"e800e2"}])");
    const auto delete_after = [&](const std::string& position) {
      return delete_in_chunks(*db, "t", "true", {.key = {"k"}, .after = position}).done.deleted;
    };
    EXPECT_EQ(delete_after(result.done.position), 0);
    EXPECT_THROW_CODE(delete_after(R"([{"blob":"3"}])"), Code::invalid_argument);
    EXPECT_THROW_CODE(delete_after(R"([{"blob":"3x"}])"), Code::invalid_argument);
    EXPECT_EQ(delete_after(R"([{"blob":"37ff"}])"), 1);
  });
}

// What the engine orders by, and what it compares by, are not always the same: an ENUM is a number, and a text.
TEST_P(SqlDeleteInChunks, NoChunkIsLargerThanItMayBeWhateverTheTypeOfTheKey) {
  run([&](const Place& place) {
    const auto db = place.open();
    if (!declared().before_keys.empty()) db->script(declared().before_keys);
    int number = 0;
    for (const auto& [type, literals] : declared().keys) {
      SCOPED_TRACE(type);
      const auto table = "t" + std::to_string(++number);
      db->script("create table " + table + " (k " + type + " not null, n integer not null, primary key (k, n))");
      for (const auto& literal : literals) {
        for (int n = 0; n < 7; ++n) db->script(fmt::format("insert into {} values ({}, {})", table, literal, n));
      }
      std::int64_t before = 0;
      const auto on_progress = [&](const DeleteProgress& progress) {
        EXPECT_LE(progress.deleted - std::exchange(before, progress.deleted), 4) << progress.position;
      };
      const auto result = delete_in_chunks(*db, table, "n <> 6", {.chunk_rows = 4, .on_progress = on_progress});
      const auto count = static_cast<std::int64_t>(literals.size());
      EXPECT_EQ(result.done.deleted, count * 6);
      EXPECT_EQ(result.done.chunks, (count * 6 + 3) / 4);
      EXPECT_EQ(delete_in_chunks(*db, table, "n <> 6", {.after = result.done.position}).done.deleted, 0);
      EXPECT_EQ(delete_in_chunks(*db, table, "true", {.chunk_rows = 1, .key = {"k"}}).done.chunks, count);
    }
  });
}

TEST_P(SqlDeleteInChunks, APositionOfAKeyThatIsCountedIsANumber) {
  run([&](const Place& place) {
    const auto& keys = declared().keys;
    const auto counted = std::ranges::find_if(keys, [](const auto& key) { return key.type.starts_with("enum("); });
    if (counted == keys.end()) return;
    const auto db = place.open();
    db->script("create table t (k " + counted->type + " not null); insert into t values ('a'), ('z')");
    EXPECT_EQ(delete_in_chunks(*db, "t", "k = 'z'", {.key = {"k"}}).done.chunks, 1);
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true", {.key = {"k"}, .after = R"(["z"])"}), Code::invalid_argument);
    EXPECT_EQ(rows_of(*db), 1);
  });
}

// Rows without a value in the key of a table that is called alike would be passed over.
TEST_P(SqlDeleteInChunks, TheKeyOfATableWhoseNameDiffersInCaseIsAnothers) {
  if (!declared().names_have_case) return;
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table " + db->dialect().quote("T") + " (kind integer primary key)");
    db->script("create table t (id integer, kind integer); insert into t values (1, 1), (2, null), (3, null)");
    EXPECT_EQ(delete_in_chunks(*db, "t", "true").done.deleted, 3);
    EXPECT_EQ(rows_of(*db), 0);
  });
}

TEST_P(SqlDeleteInChunks, AKeyOfFloatingPointIsRefusedBeforeAnythingIsDeleted) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (k " + db->dialect().column_type(Kind::real) + " not null)");
    for (int i = 0; i < 3; ++i) db->execute("insert into t values (?)", i / 2.0);
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true", {.chunk_rows = 2, .key = {"k"}}), Code::invalid_argument);
    EXPECT_EQ(rows_of(*db), 3);
  });
}

TEST_P(SqlDeleteInChunks, ATableWithoutAKeyIsEmptiedToo) {
  run([](const Place& place) {
    const auto db = place.open();
    fill(*db, 50, "id integer, kind integer");
    EXPECT_EQ(delete_in_chunks(*db, "t", "kind in (0, 1)", {.chunk_rows = 7}).done.deleted, 33);
    EXPECT_EQ(rows_of(*db), 17);
    // By a column that is no key, rows of one value stay together.
    const auto result = delete_in_chunks(*db, "t", "true", {.chunk_rows = 5, .key = {"kind"}});
    EXPECT_EQ(result.done.deleted, 17);
    EXPECT_EQ(result.done.chunks, 1);
  });
}

TEST_P(SqlDeleteInChunks, AColumnOfTheKeyThatHasNoValueIsRefused) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table t (id integer, kind integer); insert into t values (1, 1), (null, 1), (null, 2)");
    EXPECT_EQ(error_text([&] { delete_in_chunks(*db, "t", "kind = 1", {.key = {"id"}}); }),
              "rows to delete from t have no value in their key (" + db->dialect().quote("id") +
                  "): name other columns, or delete those rows first");
    EXPECT_EQ(rows_of(*db), 3);
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "kind = 1", {.key = {"id"}, .after = "[1]"}), Code::invalid_argument);
    EXPECT_EQ(delete_in_chunks(*db, "t", "kind = 1 and id is not null", {.key = {"id"}}).done.deleted, 1);
  });
}

TEST_P(SqlDeleteInChunks, BadInputIsRefusedBeforeAnythingIsDeleted) {
  run([](const Place& place) {
    const auto db = place.open();
    fill(*db, 3);
    for (const auto* const condition : {"", "id = 1; drop table t", "1 = 1) or (1 = 1", "(id = 1", "-- id = 1", "'a"}) {
      EXPECT_THROW_CODE(delete_in_chunks(*db, "t", condition), Code::statement_invalid) << condition;
    }
    for (const auto* const table : {"", "t;", "t where 1 = 1 --", "a.b.c", "t, u", ".", "t."}) {
      EXPECT_THROW_CODE(delete_in_chunks(*db, table, "true"), Code::invalid_argument) << table;
    }
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true", {.chunk_rows = 0}), Code::invalid_argument);
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true", {.rows_per_second = 0}), Code::invalid_argument);
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true", {.rows_per_second = std::nan("")}), Code::invalid_argument);
    for (const auto* const after :
         {"1", "[1, 2]", "[null]", "[1.5]", "nothing", R"([{"date":"x"}])", "[9223372036854775808]"}) {
      EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true", {.key = {"id"}, .after = after}), Code::invalid_argument)
          << after;
    }
    EXPECT_THROW_CODE(delete_in_chunks(*db, "no_such_table", "true"), Code::statement_invalid);
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "no_such_column = 1"), Code::statement_invalid);
    EXPECT_EQ(rows_of(*db), 3);
  });
}

TEST_P(SqlDeleteInChunks, TheGuardWantsAConditionThatNamesAColumn) {
  run([](const Place& place) {
    const auto db = place.open("guarded=true");
    fill(*db, 30);
    EXPECT_EQ(delete_in_chunks(*db, "t", "id <= 10", {.chunk_rows = 3}).done.deleted, 10);
    EXPECT_THROW_CODE(delete_in_chunks(*db, "t", "true"), Code::permission_denied);
    EXPECT_EQ(delete_in_chunks(*db, "t", "true", {.allow = Rule::delete_without_where}).done.deleted, 20);
    db->script("create table u (id integer); insert into u values (1), (2), (3)");  // Without a key.
    EXPECT_THROW_CODE(delete_in_chunks(*db, "u", "true"), Code::permission_denied);
    EXPECT_EQ(delete_in_chunks(*db, "u", "true", {.allow = Rule::delete_without_where}).done.deleted, 3);
  });
}

// Where the later of two writers fails, its chunk is done again.
TEST_P(SqlDeleteInChunks, AChunkThatLosesAConflictIsDoneAgain) {
  if (GetParam().declared.isolation.levels.front().of(Anomaly::lost_update) != Outcome::second_fails) {
    GTEST_SKIP() << "writers wait for each other here";
  }
  run([](const Place& place) {
    struct Failures : Observer {
      explicit Failures(base::Runtime& runtime) : signal(runtime.make_signal("a statement that fails")) {}
      void on_statement(const StatementEvent& event) noexcept override {
        if (event.error != nullptr) signal->notify_all();
      }
      std::unique_ptr<base::Signal> signal;
    };
    const auto db = place.open();
    fill(*db, 30);
    const auto failures = std::make_shared<Failures>(place.runtime);
    db->observe(failures);
    auto connection = db->connect();
    auto other = connection.begin();
    other.execute("delete from t where id = 15");
    const auto seen = failures->signal->count();
    DeleteResult result;
    auto deletion = place.runtime.spawn(
        "deletion", [&](const std::stop_token&) { result = delete_in_chunks(*db, "t", "true", {.chunk_rows = 10}); });
    EXPECT_TRUE(failures->signal->wait(seen, place.runtime.in(30s)));
    other.commit();
    deletion.join();
    EXPECT_EQ(result.done.deleted, 29);
    EXPECT_EQ(rows_of(*db), 0);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance
