// The spy on every engine: an engine's words about a failure may hold what is stored.
#include <memory>
#include <string>

#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/spy/spy.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlSpy);

std::shared_ptr<spy::Spy> watched(const Place& place, Database& db) {
  auto spy = std::make_shared<spy::Spy>(place.runtime, place.files, spy::Options{.recent = 100});
  db.observe(spy);
  return spy;
}

// The error of the statement as the spy has it; empty when the engine ran it.
std::string spied(Database& db, const spy::Spy& spy, const std::string& sql) {
  try {
    auto rows = db.connect().query(sql);
    while (rows.next()) {
    }
  } catch (const Error&) {  // Some engines run what others refuse.
  }
  return spy.recent().back()->error;
}

TEST_P(SqlSpy, WhatIsStoredInASecretColumnIsNotToldByAnEnginesError) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script(
        "create table u (id integer primary key, old varchar(100), password varchar(100) unique); "
        "insert into u values (1, 'none', 'hunter2'), (2, 'hunter2', 'another'); "
        "create view v as select id + 10 as a, old as b, old as c from u where id = 2");
    const auto spy = watched(place, *db);
    for (const auto* const sql : {"update u set password = old where id = 2",
                                  "insert into u (password, id) select old, 3 from u where id = 2"}) {
      EXPECT_EQ(spied(*db, *spy, sql), "constraint_violation") << sql;
    }
    EXPECT_EQ(spied(*db, *spy, "insert into u select * from v").find("hunter2"), std::string::npos)
        << spy->recent().back()->error;
    for (const auto* const sql :
         {"select cast(password as decimal(5, 2)) from u", "select id from u where cast(password as date) is null"}) {
      EXPECT_EQ(spied(*db, *spy, sql).find("hunter2"), std::string::npos) << sql << ": " << spy->recent().back()->error;
    }
  });
}

// What is refused in a transaction that can only be rolled back says which statement was the reason.
TEST_P(SqlSpy, ASecretIsNotToldByTheErrorOfAnotherStatement) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table u (id integer primary key, password varchar(100))");
    const auto spy = watched(place, *db);
    auto connection = db->connect();
    auto tx = connection.begin();
    EXPECT_THROW(tx.execute("update u set password = 'hunter2' where nothing = 1"), Error);
    try {
      tx.one<int>("select 1");
    } catch (const Error&) {  // Some engines go on.
    }
    tx.rollback();
    for (const auto& record : spy->recent())
      EXPECT_EQ(record->error.find("hunter2"), std::string::npos) << record->error;
  });
}

TEST_P(SqlSpy, SaysWhyAStatementFailedThatHasNothingToDoWithSecrets) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script("create table u (id integer primary key, password varchar(100)); insert into u values (1, 'hunter2')");
    const auto spy = watched(place, *db);
    EXPECT_GT(spied(*db, *spy, "insert into u values (1, null)").size(), std::string("constraint_violation").size());
    EXPECT_NE(spied(*db, *spy, "select nothing from u").find("nothing"), std::string::npos);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance
