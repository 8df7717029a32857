// Reads topics of an SQLite database as a member of a group.
//
// A member keeps a row a topic with an expiry on this machine's boot clock. The partitions of a topic go round-robin to
// its live members in the order they joined; one that has to give a partition away first stops reading it, and gives it
// away once everything it delivered is committed, so the order of a key survives the hand-over.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/broker/backends/sqlite/topics.h"

namespace tidelock::broker::sqlite {

class SqliteConsumer : public Consumer {
 public:
  SqliteConsumer(std::shared_ptr<Topics> topics, std::string group, const std::vector<std::string>& names,
                 const ConsumerOptions& options);
  ~SqliteConsumer() override;

  std::vector<Delivery> poll(std::size_t max, base::Deadline deadline, const std::stop_token& stop) override;
  void commit() override;
  std::vector<Place> positions() const override;

 private:
  struct Subscription {
    std::string name;
    Topic topic;
  };
  // A partition of a subscribed topic.
  struct Slot {
    const Subscription* subscription = nullptr;
    std::uint32_t partition = 0;
    bool owned = false;
    bool wanted = false;         // By the latest division among the members.
    std::int64_t position = 0;   // The next to deliver.
    std::int64_t committed = 0;  // As in the database; what is between is delivered and not committed.
    bool lost = false;           // With something in between. Until commit() has told.
  };

  void join_or_refresh();
  bool stay_alive(sql::Transaction& tx, base::Instant now) const;
  bool bury_the_dead(sql::Transaction& tx, base::Instant now) const;
  std::vector<std::string> live_members(sql::Transaction& tx, std::int64_t topic) const;
  std::vector<Slot> divide(sql::Transaction& tx) const;
  bool settle(sql::Transaction& tx, Slot& slot) const;
  std::int64_t start_position(sql::Transaction& tx, const Slot& slot) const;
  void bump_generation(sql::Transaction& tx) const;
  bool must_refresh();
  std::vector<Delivery> fetch(std::size_t max);
  void rest(base::Deadline deadline, const std::stop_token& stop);
  void leave() noexcept;

  std::shared_ptr<Topics> topics_;
  const std::string group_;
  const ConsumerOptions options_;
  const std::string member_;
  std::vector<Subscription> subscriptions_;
  std::vector<Slot> slots_;
  std::unique_ptr<base::Watch> watch_;  // Null where the system has none to give.
  std::int64_t generation_ = -1;
  base::Instant next_refresh_{};
  std::size_t first_slot_ = 0;  // Where the next fetch begins, so that no partition starves.
};

}  // namespace tidelock::broker::sqlite
