// Insert or change, in each engine's words.
#include <optional>
#include <string>

#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/upsert.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlUpsert);

constexpr auto kItems =
    "create table item (shop integer not null, id integer not null, name varchar(20), price integer, "
    "primary key (shop, id))";

TEST_P(SqlUpsert, ChangesTheRowOfTheKeyAndInsertsWhereThereIsNone) {
  run([](const Place& place) {
    const auto db = place.open();
    db->execute(kItems);
    db->execute("insert into item values (1, 7, 'pen', 3)");
    const auto sql = upsert_statement(
        db->dialect(),
        {.table = "item", .columns = {"shop", "id", "name", "price"}, .key = {"shop", "id"}, .update = {"price"}}, 2);
    db->execute(sql, 1, 7, "quill", 4, 1, 8, "ink", 5);
    EXPECT_EQ(db->one<int>("select price from item where id = 7 and name = 'pen'"), 4);
    EXPECT_EQ(db->one<int>("select price from item where id = 8 and name = 'ink'"), 5);
    EXPECT_EQ(db->one<int>("select count(*) from item"), 2);
  });
}

TEST_P(SqlUpsert, LeavesTheRowAloneWhenNothingIsToBeTakenOver) {
  run([](const Place& place) {
    const auto db = place.open();
    db->execute(kItems);
    db->execute("insert into item values (1, 7, 'pen', 3)");
    const auto sql = upsert_statement(
        db->dialect(), {.table = "item", .columns = {"shop", "id", "price"}, .key = {"shop", "id"}, .update = {}});
    db->execute(sql, 1, 7, 4);
    db->execute(sql, 1, 8, 5);
    EXPECT_EQ(db->one<int>("select price from item where id = 7"), 3);
    EXPECT_EQ(db->one<int>("select price from item where id = 8"), 5);
  });
}

TEST_P(SqlUpsert, StillSaysWhatElseIsWrongWithARow) {
  run([](const Place& place) {
    const auto db = place.open();
    db->execute(kItems);
    const auto sql = upsert_statement(
        db->dialect(), {.table = "item", .columns = {"shop", "id"}, .key = {"shop", "id"}, .update = {}});
    try {
      db->execute(sql, 1, std::optional<int>());
      ADD_FAILURE() << "a null key was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::constraint_violation) << error.what();
    }
    EXPECT_EQ(db->one<int>("select count(*) from item"), 0);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance
