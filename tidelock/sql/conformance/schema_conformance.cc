// The tables that Tidelock keeps, made by many at once.
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/schema.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlSchemas);

constexpr std::array<std::string_view, 1> kOnce[] = {
    {"create table tidelock_a (id integer primary key)"},
    {"create table tidelock_b (id integer primary key)"},
    {"create table tidelock_c (id integer primary key)"},
};
// Where each statement is committed by itself: it may be run again.
constexpr std::array<std::string_view, 1> kAgain[] = {
    {"create table if not exists tidelock_a (id integer primary key)"},
    {"create table if not exists tidelock_b (id integer primary key)"},
    {"create table if not exists tidelock_c (id integer primary key)"},
};

// Each loses once for the table of versions, and once for its own.
TEST_P(SqlSchemas, NineWhoMakeTheTablesOfThreeRoomsAtOnceAllSucceed) {
  run([](const Place& place) {
    std::vector<std::unique_ptr<Database>> databases;
    for (int i = 0; i < 9; ++i) databases.push_back(place.open());
    const auto& steps = databases.front()->dialect().transactional_ddl ? kOnce : kAgain;
    const std::array<Schema, 3> rooms = {Schema{"a", steps[0]}, Schema{"b", steps[1]}, Schema{"c", steps[2]}};
    for (int round = 0; round < 10; ++round) {
      std::vector<base::Task> tasks;
      for (std::size_t i = 0; i < databases.size(); ++i) {
        tasks.push_back(place.runtime.spawn("process", [&, i](const std::stop_token&) {
          const auto& room = rooms[i % rooms.size()];
          EXPECT_NO_THROW(migrate(*databases[i], room, base::Deadline::never()));
          EXPECT_TRUE(has_tables(*databases[i], room, base::Deadline::never()));
        }));
      }
      for (auto& task : tasks) task.join();
      databases.front()->script(
          "drop table if exists tidelock_a; drop table if exists tidelock_b; drop table if exists tidelock_c; "
          "drop table tidelock_schema");
    }
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance
