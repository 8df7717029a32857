// The contract of broker.h, run unchanged on every backend, in a World: nothing sleeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "tidelock/broker/backends/all.h"
#include "tidelock/broker/broker.h"
#include "tidelock/world/testing.h"
#include "tidelock/world/world.h"

namespace tidelock::broker {
namespace {

using namespace std::chrono_literals;

struct BrokerCase {
  std::string name;
  std::string url;
  friend std::ostream& operator<<(std::ostream& out, const BrokerCase& broker) { return out << broker.name; }
};

class BrokerConformance : public testing::TestWithParam<BrokerCase> {
 protected:
  // As a process reaches it.
  static std::unique_ptr<Broker> connect(world::Process& process) {
    return open(process, process.files(), base::Url::parse(GetParam().url));
  }

  static std::vector<Message> numbered(const std::string& key, int first, int count) {
    std::vector<Message> messages;
    for (int i = first; i < first + count; ++i) messages.push_back({key, std::to_string(i), {}});
    return messages;
  }

  static std::vector<std::string> payloads(const std::vector<Delivery>& deliveries) {
    std::vector<std::string> result;
    for (const auto& delivery : deliveries) result.push_back(delivery.message.payload);
    return result;
  }

  void in_world(const std::function<void(world::World&)>& body) {
    world::run_world_test([&](world::World& world) { body(world); });
  }
};

using Texts = std::vector<std::string>;

TEST_P(BrokerConformance, WhatIsPublishedIsDeliveredWhole) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("prices");
    const std::string bytes("\0\xff binary", 9);
    broker->producer()->publish("prices", std::vector<Message>{{"AAPL", bytes, {{"trace", "00-é"}, {"n", ""}}}});

    const auto got = broker->consumer("g", {"prices"})->poll(10, process.in(1s));
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].place.topic, "prices");
    EXPECT_EQ(got[0].place.partition, partition_of("AAPL", 8));
    EXPECT_EQ(got[0].place.offset, 0);
    EXPECT_EQ(got[0].message.key, "AAPL");
    EXPECT_EQ(got[0].message.payload, bytes);
    EXPECT_EQ(got[0].message.headers, (Headers{{"trace", "00-é"}, {"n", ""}}));
  });
}

TEST_P(BrokerConformance, TheOrderOfAKeyIsKept) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 3});
    auto producer = broker->producer();
    for (int i = 0; i < 30; ++i) {
      producer->publish("t", std::vector<Message>{{"a", std::to_string(i), {}}, {"b", std::to_string(i), {}}});
    }
    auto consumer = broker->consumer("g", {"t"});
    std::map<std::string, int> next;
    for (std::size_t got = 0; got < 60;) {
      const auto deliveries = consumer->poll(7, process.in(1s));
      ASSERT_FALSE(deliveries.empty());
      EXPECT_LE(deliveries.size(), 7U);
      for (const auto& delivery : deliveries) {
        EXPECT_EQ(delivery.message.payload, std::to_string(next[delivery.message.key]++));
      }
      got += deliveries.size();
    }
  });
}

TEST_P(BrokerConformance, WhatWasNotCommittedIsDeliveredAgain) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1});
    broker->producer()->publish("t", numbered("k", 0, 4));
    {
      auto consumer = broker->consumer("g", {"t"});
      EXPECT_EQ(payloads(consumer->poll(2, process.in(1s))), (Texts{"0", "1"}));
      consumer->commit();
      EXPECT_EQ(payloads(consumer->poll(1, process.in(1s))), (Texts{"2"}));
    }
    EXPECT_EQ(payloads(broker->consumer("g", {"t"})->poll(9, process.in(1s))), (Texts{"2", "3"}));
    EXPECT_EQ(payloads(broker->consumer("other", {"t"})->poll(9, process.in(1s))), (Texts{"0", "1", "2", "3"}));
  });
}

TEST_P(BrokerConformance, AWaitingConsumerIsWokenByAProducerOfAnotherProcess) {
  in_world([](world::World& world) {
    auto& reader = world.process("reader");
    auto& writer = world.process("writer");
    connect(reader)->create_topic("t", {.partitions = 1});
    auto task = writer.spawn("writer", [&](std::stop_token) {
      auto broker = connect(writer);
      writer.sleep_for(20s);
      broker->producer()->publish("t", numbered("k", 0, 1));
    });
    auto broker = connect(reader);
    auto consumer = broker->consumer("g", {"t"});
    const auto start = world.elapsed();
    EXPECT_EQ(payloads(consumer->poll(1, reader.in(60s))), (Texts{"0"}));
    EXPECT_GE(world.elapsed() - start, 19s);
    EXPECT_LT(world.elapsed() - start, 20s + 600ms);
    task.join();
  });
}

TEST_P(BrokerConformance, AnEmptyPollEndsAtItsDeadlineAndOnStop) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t");
    auto consumer = broker->consumer("g", {"t"});
    const auto start = process.now();
    EXPECT_TRUE(consumer->poll(1, start + 5s).empty());
    EXPECT_GE(process.now(), start + 5s);

    std::stop_source stop;
    auto stopper = process.spawn("stopper", [&](std::stop_token) {
      process.sleep_for(1s);
      stop.request_stop();
    });
    EXPECT_TRUE(consumer->poll(1, process.in(1h), stop.get_token()).empty());
    EXPECT_LT(process.now(), start + 1min);
    stopper.join();
  });
}

TEST_P(BrokerConformance, MembersShareThePartitionsAndNoneIsReadTwice) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 4});
    auto first = broker->consumer("g", {"t"});
    auto second = broker->consumer("g", {"t"});
    const auto settle = [&] {
      for (int i = 0; i < 4; ++i) {
        first->poll(1, process.now());
        second->poll(1, process.now());
      }
    };
    settle();
    std::set<std::uint32_t> partitions;
    for (const auto* consumer : {first.get(), second.get()}) {
      EXPECT_EQ(consumer->positions().size(), 2U);
      for (const auto& place : consumer->positions()) EXPECT_TRUE(partitions.insert(place.partition).second);
    }
    EXPECT_EQ(partitions.size(), 4U);

    first.reset();
    for (int i = 0; i < 3; ++i) second->poll(1, process.now());
    EXPECT_EQ(second->positions().size(), 4U);
  });
}

TEST_P(BrokerConformance, MembersOfOneGroupMayReadDifferentTopics) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    auto producer = broker->producer();
    for (const auto* topic : {"a", "b"}) {
      broker->create_topic(topic, {.partitions = 4});
      for (int i = 0; i < 8; ++i) producer->publish(topic, std::vector<Message>{{"", std::to_string(i), {}}});
    }
    auto of_a = broker->consumer("g", {"a"});
    auto of_b = broker->consumer("g", {"b", "b"});
    auto of_both = broker->consumer("g", {"a", "b"});
    std::map<std::string, std::multiset<std::string>> got;
    for (int round = 0; round < 20; ++round) {
      for (auto* consumer : {of_a.get(), of_b.get(), of_both.get()}) {
        for (const auto& delivery : consumer->poll(3, process.now())) {
          got[delivery.place.topic].insert(delivery.message.payload);
        }
        consumer->commit();
      }
    }
    const std::multiset<std::string> all{"0", "1", "2", "3", "4", "5", "6", "7"};
    EXPECT_EQ(got["a"], all);
    EXPECT_EQ(got["b"], all);
    EXPECT_EQ(of_a->positions().size() + of_b->positions().size() + of_both->positions().size(), 8U);
  });
}

TEST_P(BrokerConformance, ABatchIsPublishedWholeOrNotAtAll) {
  world::for_seeds(30, [](world::World& world) {
    world.run([&] {
      auto& setup = world.process("setup");
      connect(setup)->create_topic("t", {.partitions = 2});
      auto& victim = world.process("victim");
      auto task = victim.spawn("victim", [&](std::stop_token) {
        auto broker = connect(victim);
        auto producer = broker->producer();
        for (int batch = 0;; ++batch) {
          std::vector<Message> messages;
          for (int i = 0; i < 10; ++i) messages.push_back({std::to_string(i), std::to_string(batch), {}});
          producer->publish("t", messages);
          victim.sleep_for(std::chrono::microseconds(victim.random() % 1000));
        }
      });
      setup.sleep_for(std::chrono::microseconds(1000 + setup.random() % 20'000));
      victim.crash();
      std::map<std::string, int> of_batch;
      auto broker = connect(setup);
      auto consumer = broker->consumer("g", {"t"});
      for (;;) {
        const auto deliveries = consumer->poll(100, setup.now());
        if (deliveries.empty()) break;
        for (const auto& delivery : deliveries) ++of_batch[delivery.message.payload];
      }
      for (const auto& [batch, count] : of_batch) EXPECT_EQ(count, 10) << "batch " << batch;
    });
  });
}

TEST_P(BrokerConformance, AMemberThatDiesIsReplacedAfterItsSession) {
  in_world([](world::World& world) {
    auto& reader = world.process("reader");
    auto& victim = world.process("victim");
    auto broker = connect(reader);
    broker->create_topic("t", {.partitions = 1});
    broker->producer()->publish("t", numbered("k", 0, 3));
    auto task = victim.spawn("victim", [&](std::stop_token) {
      auto consumer = connect(victim)->consumer("g", {"t"}, {.session_timeout = 10s});
      consumer->poll(2, victim.in(1s));
      victim.sleep_for(1h);
    });
    reader.sleep_for(2s);
    victim.crash();
    auto consumer = broker->consumer("g", {"t"}, {.session_timeout = 10s});
    EXPECT_TRUE(consumer->poll(9, reader.in(3s)).empty());
    EXPECT_EQ(payloads(consumer->poll(9, reader.in(20s))), (Texts{"0", "1", "2"}));
  });
}

TEST_P(BrokerConformance, AMemberThatSleptIsToldThatItLostItsPartitions) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1});
    broker->producer()->publish("t", numbered("k", 0, 2));
    auto sleeper = broker->consumer("g", {"t"}, {.session_timeout = 5s});
    EXPECT_EQ(sleeper->poll(1, process.in(1s)).size(), 1U);
    process.sleep_for(10s);
    auto other = broker->consumer("g", {"t"}, {.session_timeout = 5s});
    EXPECT_EQ(payloads(other->poll(2, process.in(1s))), (Texts{"0", "1"}));
    other->commit();
    EXPECT_THROW_CODE(sleeper->commit(), Code::lease_lost);
    EXPECT_EQ(broker->progress("g", "t")[0].committed, 2);
  });
}

TEST_P(BrokerConformance, AMemberThatSleptIsToldThatItLostItsPartitionsAlsoWhenItPollsFirst) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1});
    broker->producer()->publish("t", numbered("k", 0, 2));
    auto sleeper = broker->consumer("g", {"t"}, {.session_timeout = 5s});
    EXPECT_EQ(sleeper->poll(1, process.in(1s)).size(), 1U);
    process.sleep_for(10s);
    auto other = broker->consumer("g", {"t"}, {.session_timeout = 5s});
    EXPECT_EQ(payloads(other->poll(2, process.in(1s))), (Texts{"0", "1"}));
    EXPECT_TRUE(sleeper->poll(1, process.now()).empty());
    EXPECT_THROW_CODE(sleeper->commit(), Code::lease_lost);
    EXPECT_EQ(broker->progress("g", "t")[0].committed, std::nullopt);
    sleeper->commit();  // It has been told.
  });
}

TEST_P(BrokerConformance, ASessionMayLastForEver) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1});
    broker->producer()->publish("t", numbered("k", 0, 2));
    auto consumer = broker->consumer("g", {"t"}, {.session_timeout = base::Duration::max()});
    EXPECT_EQ(payloads(consumer->poll(1, process.in(1s))), (Texts{"0"}));
    process.sleep_for(1h);
    EXPECT_TRUE(broker->consumer("g", {"t"})->poll(1, process.in(1s)).empty());
    consumer->commit();
    EXPECT_EQ(payloads(consumer->poll(1, process.in(1s))), (Texts{"1"}));
  });
}

TEST_P(BrokerConformance, ATopicMayKeepItsMessagesForEver) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1, .retention = base::Duration::max()});
    auto producer = broker->producer();
    producer->publish("t", numbered("k", 0, 1));
    process.sleep_for(2min);
    producer->publish("t", numbered("k", 1, 1));
    EXPECT_EQ(broker->progress("g", "t").at(0).first_offset, 0);
  });
}

TEST_P(BrokerConformance, ARunningProducerKeepsWhatTheTopicIsToldToKeepMeanwhile) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1, .retention = 60s});
    auto producer = broker->producer();
    producer->publish("t", numbered("k", 0, 1));
    auto other = connect(world.process("other"));
    other->create_topic("t", {.partitions = 1, .retention = 24h});
    process.sleep_for(2min);
    producer->publish("t", numbered("k", 1, 1));
    EXPECT_EQ(broker->progress("g", "t").at(0).first_offset, 0);
    other->create_topic("t", {.partitions = 1, .retention = 60s});
    process.sleep_for(2min);
    producer->publish("t", numbered("k", 2, 1));
    EXPECT_EQ(broker->progress("g", "t").at(0).first_offset, 2);
  });
}

TEST_P(BrokerConformance, OldMessagesGoAfterTheirRetention) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1, .retention = 60s});
    auto producer = broker->producer();
    producer->publish("t", numbered("k", 0, 3));
    process.sleep_for(2min);
    producer->publish("t", numbered("k", 3, 1));
    const auto progress = broker->progress("g", "t").at(0);
    EXPECT_EQ(progress.first_offset, 3);
    EXPECT_EQ(progress.end_offset, 4);
    EXPECT_EQ(progress.lag(), 1);
    EXPECT_EQ(payloads(broker->consumer("g", {"t"})->poll(9, process.in(1s))), (Texts{"3"}));
  });
}

TEST_P(BrokerConformance, AConsumerThatIsTooLateGoesOnWithWhatIsStillThere) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1, .retention = 60s});
    auto producer = broker->producer();
    producer->publish("t", numbered("k", 0, 3));
    auto consumer = broker->consumer("g", {"t"}, {.session_timeout = 1h});
    EXPECT_EQ(payloads(consumer->poll(1, process.in(1s))), (Texts{"0"}));
    consumer->commit();
    EXPECT_EQ(broker->progress("g", "t").at(0).lag(), 2);
    process.sleep_for(2min);
    producer->publish("t", numbered("k", 3, 2));
    EXPECT_EQ(broker->progress("g", "t").at(0).lag(), 2);
    EXPECT_EQ(payloads(consumer->poll(9, process.in(1s))), (Texts{"3", "4"}));
  });
}

TEST_P(BrokerConformance, RetentionKeepsUpWithMoreThanItRemovesAtOnce) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1, .retention = 60s});
    auto producer = broker->producer();
    for (int i = 0; i < 25; ++i) producer->publish("t", numbered("k", i * 1000, 1000));
    process.sleep_for(2min);
    for (int i = 0; i < 3; ++i) producer->publish("t", numbered("k", 25'000 + i, 1));
    EXPECT_EQ(broker->progress("g", "t").at(0).first_offset, 25'000);
  });
}

TEST_P(BrokerConformance, AGroupMayStartAtTheEnd) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1});
    broker->producer()->publish("t", numbered("k", 0, 2));
    auto consumer = broker->consumer("g", {"t"}, {.start = ConsumerOptions::Start::newest});
    EXPECT_TRUE(consumer->poll(9, process.now()).empty());
    broker->producer()->publish("t", numbered("k", 2, 1));
    EXPECT_EQ(payloads(consumer->poll(9, process.in(1s))), (Texts{"2"}));
  });
}

TEST_P(BrokerConformance, AGroupThatStartedAtTheEndStandsThereBeforeItsFirstCommit) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 1});
    broker->producer()->publish("t", numbered("k", 0, 2));
    const ConsumerOptions at_the_end{.start = ConsumerOptions::Start::newest};
    EXPECT_TRUE(broker->consumer("g", {"t"}, at_the_end)->poll(9, process.now()).empty());  // And ends.
    broker->producer()->publish("t", numbered("k", 2, 2));
    EXPECT_EQ(broker->progress("g", "t").at(0).lag(), 2);
    auto next = broker->consumer("g", {"t"}, at_the_end);
    EXPECT_EQ(payloads(next->poll(1, process.in(1s))), (Texts{"2"}));
    next.reset();  // Before it commits.
    EXPECT_EQ(payloads(broker->consumer("g", {"t"}, at_the_end)->poll(9, process.in(1s))), (Texts{"2", "3"}));
  });
}

TEST_P(BrokerConformance, NothingIsLostWhenAMemberThatStartedAtTheEndGivesAPartitionAway) {
  in_world([](world::World& world) {
    auto& process = world.process();
    auto broker = connect(process);
    broker->create_topic("t", {.partitions = 2});
    const ConsumerOptions at_the_end{.start = ConsumerOptions::Start::newest};
    auto first = broker->consumer("g", {"t"}, at_the_end);
    first->poll(9, process.now());
    auto second = broker->consumer("g", {"t"}, at_the_end);
    second->poll(9, process.now());  // Joins: one of the two is to be its.
    first->poll(9, process.now());   // Gives it away.
    auto producer = broker->producer();
    for (int i = 0; i < 4; ++i) producer->publish("t", std::vector<Message>{{"", std::to_string(i), {}}});
    std::multiset<std::string> got;
    for (int round = 0; round < 4; ++round) {
      for (auto* consumer : {second.get(), first.get()}) {
        for (const auto& delivery : consumer->poll(9, process.now())) got.insert(delivery.message.payload);
      }
    }
    EXPECT_EQ(got, (std::multiset<std::string>{"0", "1", "2", "3"}));
  });
}

TEST_P(BrokerConformance, TheNewestMessagesTellWhereAProducerLeftOff) {
  in_world([](world::World& world) {
    auto broker = connect(world.process());
    broker->create_topic("t", {.partitions = 3});
    EXPECT_TRUE(broker->newest("t").empty());
    auto producer = broker->producer();
    for (int i = 0; i < 5; ++i) producer->publish("t", numbered("a", i, 1));
    producer->publish("t", std::vector<Message>{{"c", "of c", {{"h", "v"}}}});
    ASSERT_NE(partition_of("a", 3), partition_of("c", 3));
    std::map<std::string, Delivery> newest;
    for (const auto& delivery : broker->newest("t")) newest[delivery.message.key] = delivery;
    ASSERT_EQ(newest.size(), 2U);
    EXPECT_EQ(newest["a"].message.payload, "4");
    EXPECT_EQ(newest["a"].place.offset, 4);
    EXPECT_EQ(newest["c"].message.headers, (Headers{{"h", "v"}}));
    EXPECT_EQ(broker->consumer("g", {"t"})->poll(9, world.process().in(1s)).size(), 6U);
  });
}

TEST_P(BrokerConformance, WrongUseIsRefusedWithItsReason) {
  in_world([](world::World& world) {
    auto broker = connect(world.process());
    broker->create_topic("t", {.partitions = 2});
    EXPECT_THROW_CODE(broker->create_topic("t", {.partitions = 3}), Code::already_exists);
    EXPECT_THROW_CODE(broker->create_topic("", {}), Code::invalid_argument);
    EXPECT_THROW_CODE(broker->create_topic("u", {.partitions = 0}), Code::invalid_argument);
    EXPECT_THROW_CODE(broker->consumer("g", {"missing"}), Code::not_found);
    EXPECT_THROW_CODE(broker->newest("missing"), Code::not_found);
    EXPECT_THROW_CODE(broker->progress("g", "missing"), Code::not_found);
    EXPECT_THROW_CODE(broker->consumer("", {"t"}), Code::invalid_argument);
    EXPECT_THROW_CODE(broker->consumer("g", {}), Code::invalid_argument);
    EXPECT_THROW_CODE(broker->producer()->publish("missing", numbered("k", 0, 1)), Code::not_found);
    EXPECT_THROW_CODE(broker->producer()->publish("t", std::vector<Message>{{"\xff", "", {}}}), Code::invalid_argument);
  });
}

// Producers, consumers that come, crash and pause: everything published is delivered, in order within each key, apart
// from repetitions that begin at what was committed last.
TEST_P(BrokerConformance, NothingIsLostWhileConsumersComeAndGo) {
  world::for_seeds(20, [](world::World& world) {
    world.run([&] {
      auto& setup = world.process("setup");
      connect(setup)->create_topic("t", {.partitions = 3});
      constexpr int kMessages = 60;
      auto& writer = world.process("writer");
      auto writing = writer.spawn("writer", [&](std::stop_token) {
        auto broker = connect(writer);
        auto producer = broker->producer();
        for (int i = 0; i < kMessages; ++i) {
          producer->publish("t", std::vector<Message>{{"k" + std::to_string(i % 5), std::to_string(i / 5), {}}});
          writer.sleep_for(std::chrono::milliseconds(writer.random() % 500));
        }
      });
      std::map<std::string, std::set<int>> seen;
      for (int round = 0; round < 6; ++round) {
        auto& reader = world.process("reader " + std::to_string(round));
        auto reading = reader.spawn("reader", [&](std::stop_token) {
          auto consumer = connect(reader)->consumer("g", {"t"}, {.session_timeout = 3s});
          std::map<std::string, int> last;
          for (;;) {
            for (const auto& delivery : consumer->poll(1 + reader.random() % 5, reader.in(1s))) {
              const auto& key = delivery.message.key;
              const int number = std::stoi(delivery.message.payload);
              // In order, from wherever this member began.
              if (last.contains(key)) {
                EXPECT_EQ(number, last[key] + 1) << key;
              }
              last[key] = number;
              seen[key].insert(number);
            }
            consumer->commit();
          }
        });
        setup.sleep_for(std::chrono::milliseconds(1000 + setup.random() % 6000));
        reader.crash();
      }
      writing.join();
      auto broker = connect(setup);
      auto last = broker->consumer("g", {"t"}, {.session_timeout = 3s});
      for (;;) {
        const auto deliveries = last->poll(10, setup.in(10s));
        if (deliveries.empty()) break;
        for (const auto& delivery : deliveries) {
          seen[delivery.message.key].insert(std::stoi(delivery.message.payload));
        }
        last->commit();
      }
      for (int key = 0; key < 5; ++key) {
        EXPECT_EQ(seen["k" + std::to_string(key)].size(), static_cast<std::size_t>(kMessages / 5)) << "key " << key;
      }
    });
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, BrokerConformance, testing::Values(BrokerCase{"sqlite", "sqlite:broker.db"}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tidelock::broker
