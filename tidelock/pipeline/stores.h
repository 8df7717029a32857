// The databases of a pipeline: opened when somebody needs one, shared, closed when nobody has for a while.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/pipeline/progress.h"
#include "tidelock/sql/database.h"
#include "tidelock/toolkit/toolkit.h"

namespace tidelock::pipeline {

// An open DuckDB file keeps all other processes out, so it is not kept longer than it is used. Thread-safe. Borrows
// everything.
class Stores {
 public:
  // How long one stays open after its last use.
  static constexpr base::Duration kLinger = std::chrono::seconds(1);

  // How long a store whose server cannot be reached is waited for: it may be started anew, or its standby promoted.
  static constexpr base::Duration kOutOfReachMax = std::chrono::minutes(2);

  // changed: notified when a store is no longer used. observer: of the stores' statements; may be null.
  Stores(Toolkit& toolkit, std::span<const Store> stores, Say say, base::Signal& changed,
         std::shared_ptr<sql::Observer> observer = nullptr);
  ~Stores();
  Stores(const Stores&) = delete;
  Stores& operator=(const Stores&) = delete;

  // In use for as long as the pointer lives. While another process has the file locked it waits, with growing pauses,
  // and says who has it; while its server cannot be reached, for kOutOfReachMax. Errors: not_found for a name that is
  // no store; cancelled; those of opening.
  std::shared_ptr<sql::Database> open(std::string_view name, const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex_);

  // Closes what was not used for kLinger. Returns when to call it next; never, when nothing waits to be closed.
  base::Deadline close_idle() TIDELOCK_EXCLUDES(mutex_);

 private:
  struct Entry {
    const Store* store = nullptr;
    std::shared_ptr<sql::Database> database{};  // Null: closed.
    bool opening = false;
    int users = 0;
    base::Instant idle_since{};
  };

  std::shared_ptr<sql::Database> use(Entry& entry) TIDELOCK_REQUIRES(mutex_);
  void drop(Entry& entry) TIDELOCK_EXCLUDES(mutex_);
  std::shared_ptr<sql::Database> open_now(const Store& store, const std::stop_token& stop);

  Toolkit& toolkit_;
  base::Runtime& runtime_;
  Say say_;
  base::Signal& changed_;
  const std::shared_ptr<sql::Observer> observer_;
  std::unique_ptr<base::Signal> opened_;
  base::LocalMutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::pipeline
