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

TEST_P(SqlUpsert, AnInsertTakesTheNamesOfTablesThatAnUpsertTakes) {
  run([this](const Place& place) {
    const auto db = place.open();
    const auto odd = db->dialect().quote("an odd.name");
    db->execute("create table t (id integer primary key)");
    db->execute("create table " + odd + " (id integer primary key)");
    const auto schema = db->one<std::string>(declared().schema);
    auto connection = db->connect();
    int id = 0;
    for (const auto& table :
         {std::string("t"), schema + ".t", db->dialect().quote(schema) + ".t", odd, schema + "." + odd}) {
      SCOPED_TRACE(table);
      connection.execute(
          upsert_statement(db->dialect(), {.table = table, .columns = {"id"}, .key = {"id"}, .update = {}}), ++id);
      auto bulk = connection.bulk(table, {"id"});
      bulk.append(++id);
      EXPECT_EQ(bulk.finish(), 1);
    }
    EXPECT_EQ(connection.one<int>("select count(*) from t"), 6);
    EXPECT_EQ(connection.one<int>("select count(*) from " + odd), 4);
    for (const auto* const table : {"", "t.", "t (id)", "t; drop table t", "an odd name", "a.b.c.d"}) {
      EXPECT_THROW_CODE(connection.bulk(table, {"id"}), Code::invalid_argument) << table;
    }
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
