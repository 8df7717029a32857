// What producer and consumer share: the database, its topics, and waking up when something was written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/broker/broker.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/transact.h"

namespace tidelock::broker::sqlite {

// What never changes of one; its retention may, so that only its row tells.
struct Topic {
  std::int64_t id = 0;
  std::uint32_t partitions = 0;
};

// Thread-safe.
class Topics {
 public:
  Topics(base::Runtime& runtime, base::Files& files, std::unique_ptr<sql::Database> database, base::Path path);

  base::Runtime& runtime() const { return runtime_; }
  sql::Database& database() const { return *database_; }

  void create(const std::string& name, const TopicOptions& options);
  Topic find(const std::string& name) const;  // Error: not_found, with the call that makes it.

  // Wakes when any process wrote to the database; null when the system has no watch to give.
  std::unique_ptr<base::Watch> watch() const;

 private:
  base::Runtime& runtime_;
  base::Files& files_;
  std::unique_ptr<sql::Database> database_;
  base::Path path_;
};

}  // namespace tidelock::broker::sqlite
