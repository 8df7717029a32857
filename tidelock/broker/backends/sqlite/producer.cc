#include "tidelock/broker/backends/sqlite/producer.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::broker::sqlite {
namespace {

constexpr auto kRemovalInterval = std::chrono::seconds(30);
constexpr std::int64_t kRemovalRows = 10'000;  // Of one partition at a time: a writer is never held up for long.

std::optional<sql::Json> headers_json(const Headers& headers) {
  if (headers.empty()) return std::nullopt;
  auto json = nlohmann::json::array();
  for (const auto& [name, value] : headers) json.push_back({name, value});
  return sql::Json{json.dump()};
}

void check(const Message& message) {
  const auto refuse = [&](std::string_view what, std::string_view text) {
    if (base::find_invalid_utf8(text) || text.find('\0') != std::string_view::npos) {
      throw Error(Code::invalid_argument,
                  std::string(what) + " " + base::quoted(text) + " of a message is not UTF-8 without NUL");
    }
  };
  refuse("key", message.key);
  for (const auto& [name, value] : message.headers) {
    refuse("header", name);
    refuse("header", value);
  }
}

}  // namespace

Topic SqliteProducer::find(const std::string& name) {
  {
    const base::LocalGuard guard(mutex_);
    if (const auto known = known_.find(name); known != known_.end()) return known->second;
  }
  const auto topic = topics_->find(name);
  const base::LocalGuard guard(mutex_);
  known_[name] = topic;
  return topic;
}

void SqliteProducer::publish(const std::string& name, std::span<const Message> messages) {
  if (messages.empty()) return;
  const auto topic = find(name);
  std::vector<std::uint32_t> partition_of_message;
  std::map<std::uint32_t, std::int64_t> counts;
  for (const auto& message : messages) {
    check(message);
    const auto partition =
        message.key.empty() ? next_partition_++ % topic.partitions : partition_of(message.key, topic.partitions);
    partition_of_message.push_back(partition);
    ++counts[partition];
  }

  sql::transact(topics_->database(), [&](sql::Transaction& tx) {
    std::map<std::uint32_t, std::int64_t> next;
    for (const auto& [partition, count] : counts) {
      next[partition] = tx.one<std::int64_t>(
          "update tidelock_partition set next_position = next_position + ? where topic = ? and part = ? "
          "returning next_position - ?",
          count, topic.id, partition, count);
    }
    // Read inside: writers of one database take turns, so the times within a partition do not go back.
    const auto now_us = topics_->runtime().wall_now().time_since_epoch().count();
    auto insert = tx.prepare(
        "insert into tidelock_message (topic, part, position, message_key, payload, headers, published_us) "
        "values (?, ?, ?, ?, ?, ?, ?)");
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto& message = messages[i];
      const auto partition = partition_of_message[i];
      insert.execute(topic.id, partition, next[partition]++, message.key, std::as_bytes(std::span(message.payload)),
                     headers_json(message.headers), now_us);
    }
  });
  remove_expired(topic);
}

// The messages are published, whatever happens here: what cannot be removed now is removed later.
void SqliteProducer::remove_expired(const Topic& topic) noexcept {
  try {
    auto& runtime = topics_->runtime();
    const auto now = runtime.now();
    {
      const base::LocalGuard guard(mutex_);
      auto& next = next_removal_[topic.id];
      if (now < next) return;
      next = now + kRemovalInterval;
    }
    bool more = false;
    for (std::uint32_t partition = 0; partition < topic.partitions; ++partition) {
      more |= remove_expired_of(topic, partition) == kRemovalRows;
    }
    if (!more) return;
    const base::LocalGuard guard(mutex_);
    next_removal_[topic.id] = now;
  } catch (...) {
  }
}

// From the oldest on, as far as they are older than the topic keeps them now; returns how many.
std::int64_t SqliteProducer::remove_expired_of(const Topic& topic, std::uint32_t partition) {
  const auto now_us = topics_->runtime().wall_now().time_since_epoch().count();
  auto connection = topics_->database().connect();
  const auto oldest = connection.one<std::optional<std::int64_t>>(
      "select min(position) from tidelock_message where topic = ? and part = ?", topic.id, partition);
  if (!oldest) return 0;
  const auto keep = connection.maybe<std::int64_t>(
      "select position from tidelock_message where topic = ? and part = ? "
      "and published_us >= ? - (select retention_us from tidelock_topic where id = ?) order by position limit 1",
      topic.id, partition, now_us, topic.id);
  const auto end = std::min(keep.value_or(*oldest + kRemovalRows), *oldest + kRemovalRows);
  if (end == *oldest) return 0;
  return connection.execute("delete from tidelock_message where topic = ? and part = ? and position < ?", topic.id,
                            partition, end);
}

}  // namespace tidelock::broker::sqlite
