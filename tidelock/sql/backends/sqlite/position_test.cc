#include "tidelock/sql/backends/sqlite/position.h"

#include <gtest/gtest.h>

#include <vector>

#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::sqlite {
namespace {

TEST(SqlitePosition, OneLogIsOrderedByFrameAcrossProcesses) {
  Generations here(1);
  Generations there(2);
  const Salts salts{10, 20};
  const auto a = here.position(salts, 3);
  const auto b = there.position(salts, 4);
  EXPECT_TRUE(compare_positions(a, b) < 0);
  EXPECT_TRUE(compare_positions(b, a) > 0);
  EXPECT_TRUE(compare_positions(a, there.position(salts, 3)) == 0);
}

TEST(SqlitePosition, OneDatabaseIsOrderedThroughAllItsLogs) {
  Generations here(1);
  const auto a = here.position({10, 20}, 900);
  const auto b = here.position({11, 21}, 2);
  const auto c = here.position({5, 1}, 1);
  EXPECT_TRUE(compare_positions(a, b) < 0);
  EXPECT_TRUE(compare_positions(b, c) < 0);
  EXPECT_TRUE(compare_positions(a, c) < 0);
}

TEST(SqlitePosition, NothingIsSaidAboutOtherLogsOfOtherProcesses) {
  Generations here(1);
  Generations there(2);
  const auto a = here.position({10, 20}, 900);
  EXPECT_EQ(compare_positions(a, there.position({11, 20}, 900)), std::partial_ordering::unordered);
  for (const auto* const text : {"", "1", "1:2:3", "1:2:3:4:5", "x:y:z:w", "1:2:3:"}) {
    EXPECT_EQ(compare_positions(a, Position{text}), std::partial_ordering::unordered) << text;
  }
}

// Four tasks commit through one Database, the log begins anew many times, another process helps it to.
TEST(SqlitePosition, PositionsAreInTheOrderOfTheCommitsThemselves) {
  world::for_seeds(10, [](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      const auto db = open(runtime, world.files(), base::Url::parse("sqlite:/shop.db?synchronous=off&busy_timeout=1h"));
      db->script("create table t (n integer primary key, filler blob)");
      std::vector<std::pair<std::int64_t, Position>> commits;
      std::vector<base::Task> tasks;
      for (int i = 0; i < 4; ++i) {
        tasks.push_back(runtime.spawn("writer", [&](const std::stop_token&) {
          for (int k = 0; k < 60; ++k) {
            auto connection = db->connect();
            auto tx = connection.begin();
            const auto n = tx.one<std::int64_t>("select coalesce(max(n), 0) + 1 from t");
            tx.execute("insert into t values (?, ?)", n, Blob(100'000));
            commits.emplace_back(n, tx.commit());
          }
        }));
      }
      const auto other =
          open(runtime, world.files(), base::Url::parse("sqlite:/shop.db?synchronous=off&busy_timeout=1h"));
      tasks.push_back(runtime.spawn("stranger", [&](const std::stop_token&) {
        for (int k = 0; k < 10; ++k) {
          other->execute("create table if not exists u (n integer)");
          other->execute("insert into u values (1)");
          other->one<int>("select count(*) from u");
          runtime.sleep_for(std::chrono::milliseconds(1));
        }
      }));
      for (auto& task : tasks) task.join();
      std::sort(commits.begin(), commits.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      ASSERT_EQ(commits.size(), 240U);
      for (std::size_t i = 1; i < commits.size(); ++i) {
        EXPECT_TRUE(compare_positions(commits[i - 1].second, commits[i].second) < 0)
            << commits[i - 1].second.text << " before " << commits[i].second.text;
      }
      const auto generation = [](const Position& position) {
        return position.text.substr(17, position.text.find(':', 17) - 17);
      };
      EXPECT_NE(generation(commits.front().second), generation(commits.back().second));  // The log did begin anew.
    });
  });
}

}  // namespace
}  // namespace tidelock::sql::sqlite
