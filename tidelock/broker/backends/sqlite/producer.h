// Appends to topics of an SQLite database.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tidelock/base/local_mutex.h"
#include "tidelock/broker/backends/sqlite/topics.h"

namespace tidelock::broker::sqlite {

class SqliteProducer : public Producer {
 public:
  explicit SqliteProducer(std::shared_ptr<Topics> topics) : topics_(std::move(topics)) {}

  void publish(const std::string& topic, std::span<const Message> messages) override;

 private:
  Topic find(const std::string& name);
  void remove_expired(const Topic& topic) noexcept;
  std::int64_t remove_expired_of(const Topic& topic, std::uint32_t partition);

  std::shared_ptr<Topics> topics_;
  std::atomic<std::uint32_t> next_partition_{0};  // Of messages without a key.
  base::LocalMutex mutex_;
  std::map<std::string, Topic> known_ TIDELOCK_GUARDED_BY(mutex_);
  std::map<std::int64_t, base::Instant> next_removal_ TIDELOCK_GUARDED_BY(mutex_);  // By topic.
};

}  // namespace tidelock::broker::sqlite
