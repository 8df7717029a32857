// What only a broker in an SQLite file can meet: a file that cannot be read, rows that others wrote, symlinks.
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/broker/backends/all.h"
#include "tidelock/broker/backends/sqlite/topics.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

namespace tidelock::broker::sqlite {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(SqliteConsumer, APollThatFailsHalfwayHasDeliveredNothing) {
  const auto url = base::Url::parse("sqlite:broker.db");
  const auto broker = open(runtime, files, url);
  broker->create_topic("t", {.partitions = 2});
  const auto producer = broker->producer();
  for (const auto* payload : {"0", "1"}) producer->publish("t", std::vector<Message>{{"", payload, {{"h", "v"}}}});
  const auto consumer = broker->consumer("g", {"t"});
  const auto deliver = [&] {
    std::vector<std::string> payloads;
    for (const auto& delivery : consumer->poll(9, runtime.in(1s))) payloads.push_back(delivery.message.payload);
    return payloads;
  };
  const auto database = sql::open(runtime, files, url);
  const auto damage = [&](int partition, const char* headers) {
    database->execute("update tidelock_message set headers = case part when ? then ? else '[]' end", partition,
                      headers);
  };
  for (const auto* headers : {"no headers", "{}", "[1]", R"([["h"]])", R"([["h",1]])", R"([["h","v","w"]])"}) {
    for (const int partition : {1, 0}) {  // Read first or last.
      damage(partition, headers);
      EXPECT_THROW_CODE(deliver(), Code::corrupt);
      consumer->commit();
    }
  }
  damage(-1, "");
  const auto delivered = deliver();
  EXPECT_EQ(std::multiset(delivered.begin(), delivered.end()), (std::multiset<std::string>{"0", "1"}));
}

// A member that took it, did not hear of it, and is not to have it any more.
WORLD_TEST(SqliteConsumer, APartitionThatAMemberHoldsWithoutKnowingIsGivenToTheMemberThatShouldReadIt) {
  const auto url = base::Url::parse("sqlite:broker.db");
  const auto broker = open(runtime, files, url);
  broker->create_topic("t", {.partitions = 2});
  const auto first = broker->consumer("g", {"t"});
  first->poll(1, runtime.now());
  const auto second = broker->consumer("g", {"t"});
  second->poll(1, runtime.now());
  first->poll(1, runtime.now());  // Gives partition 1 away.
  sql::open(runtime, files, url)
      ->execute(
          "update tidelock_consumer_partition set member = "
          "(select member from tidelock_consumer_partition where part = 0) where part = 1");
  const auto producer = broker->producer();
  for (const auto* payload : {"0", "1"}) producer->publish("t", std::vector<Message>{{"", payload, {}}});
  std::multiset<std::string> delivered;
  for (int i = 0; i < 3; ++i) {
    for (auto* consumer : {first.get(), second.get()}) {
      for (const auto& delivery : consumer->poll(9, runtime.in(11s))) delivered.insert(delivery.message.payload);
      consumer->commit();
    }
  }
  EXPECT_EQ(delivered, (std::multiset<std::string>{"0", "1"}));
}

// The log lies beside the file that the link leads to.
TEST(SqliteTopics, AreWatchedWhereTheyLieAlsoWhenTheirPathIsASymlink) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const base::testing::TempFolder temp;
  files.create_folders(temp / "data");
  const auto writer = open(runtime, files, base::Url::parse("sqlite:" + (temp / "data/broker.db").string()));
  writer->create_topic("t", {.partitions = 1});
  const auto link = temp / "link.db";
  files.create_symlink("data/broker.db", link);
  const Topics topics(runtime, files, sql::open(runtime, files, base::Url::parse("sqlite:" + link.string())), link);
  const auto watch = topics.watch();
  ASSERT_NE(watch, nullptr);
  writer->producer()->publish("t", std::vector<Message>{{"", "0", {}}});
  EXPECT_TRUE(watch->wait(runtime.in(5s)));
}

}  // namespace
}  // namespace tidelock::broker::sqlite
