// Topics: durable logs that many processes write and read.
//
// Delivery is at least once: a message is delivered again when its consumer ended, or lost its partition, before it
// committed. A consumer that must not act twice keeps the offset with its own data.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/broker/message.h"

namespace tidelock::broker {

struct TopicOptions {
  std::uint32_t partitions = 8;  // 1 to 1024; the order of messages is kept within one. Fixed once the topic exists.
  base::Duration retention = std::chrono::hours(7 * 24);  // Older messages may go, read or not. At least 1 s.
};

// Where a group stands on one partition.
struct Progress {
  std::string topic;
  std::uint32_t partition = 0;
  std::int64_t first_offset = 0;  // The oldest message that is still there.
  std::int64_t end_offset = 0;    // Where the next message will stand.
  // The next message the group will read; empty when it never committed, and did not start at the end either.
  std::optional<std::int64_t> committed;
  std::string member;  // Who reads it now; empty for nobody.

  // How many messages that are still there it has not read.
  std::int64_t lag() const { return end_offset - std::max(first_offset, committed.value_or(first_offset)); }
};

// Thread-safe.
class Producer {
 public:
  virtual ~Producer() = default;
  // All of them or none, durable as far as the backend's URL says when it returns. Messages of one key keep the order
  // of the calls. Errors: not_found for a topic that does not exist, too_large, invalid_argument (key or header that is
  // not UTF-8), unavailable, disk_full, unknown_outcome (repeating may publish twice).
  virtual void publish(const std::string& topic, std::span<const Message> messages) = 0;
};

struct ConsumerOptions {
  // A member that does not poll for so long loses its partitions to the others.
  base::Duration session_timeout = std::chrono::seconds(30);
  // For a group without a committed offset. newest: at the end of a partition when a member reads it first; from then
  // on the group stands there, whichever member goes on.
  enum class Start { oldest, newest } start = Start::oldest;
};

// One member of a consumer group. Each partition of a topic is read by one of the members that asked for the topic;
// when members come and go, a partition changes hands after what was delivered of it is committed, so commit what you
// have done even when nothing new comes. Used by one task at a time.
class Consumer {
 public:
  virtual ~Consumer() = default;  // Leaves the group; what was not committed is delivered again.
  // The next messages, at least one and at most `max`, in order within each partition. Empty at the deadline or when
  // `stop` is requested. Errors: unavailable; corrupt for a message that is damaged.
  virtual std::vector<Delivery> poll(std::size_t max, base::Deadline deadline, const std::stop_token& stop = {}) = 0;
  // All messages that poll() returned so far are done. Error: lease_lost when a partition was taken from this member
  // meanwhile, before or in a later poll(); what was committed of the others stays so.
  virtual void commit() = 0;
  // The partitions this member reads, as of the last poll.
  virtual std::vector<Place> positions() const = 0;
};

// Thread-safe.
class Broker {
 public:
  virtual ~Broker() = default;
  // Makes the topic, or sets its retention anew. Error: already_exists with other partitions (both are named).
  virtual void create_topic(const std::string& topic, const TopicOptions& options) = 0;
  void create_topic(const std::string& topic) { create_topic(topic, {}); }
  virtual std::unique_ptr<Producer> producer() = 0;
  // Error: not_found for a topic that does not exist.
  virtual std::unique_ptr<Consumer> consumer(const std::string& group, std::vector<std::string> topics,
                                             const ConsumerOptions& options) = 0;
  std::unique_ptr<Consumer> consumer(const std::string& group, std::vector<std::string> topics) {
    return consumer(group, std::move(topics), {});
  }
  // For each partition of the topic, in order. Error: not_found for a topic that does not exist.
  virtual std::vector<Progress> progress(const std::string& group, const std::string& topic) = 0;
  // The last message of each partition that has one: where a producer left off. Error: as above.
  virtual std::vector<Delivery> newest(const std::string& topic) = 0;
};

}  // namespace tidelock::broker
