// What a consumer of an SQLite file does when it cannot be read.
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tidelock/broker/backends/all.h"
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
  const auto damage = [&](int partition) {
    database->execute("update tidelock_message set headers = case part when ? then 'no headers' else '[]' end",
                      partition);
  };
  for (const int partition : {1, 0}) {  // Read first or last.
    damage(partition);
    EXPECT_ANY_THROW(deliver());
    consumer->commit();
  }
  damage(-1);
  const auto delivered = deliver();
  EXPECT_EQ(std::multiset(delivered.begin(), delivered.end()), (std::multiset<std::string>{"0", "1"}));
}

}  // namespace
}  // namespace tidelock::broker::sqlite
