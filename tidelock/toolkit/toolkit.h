// Opens databases, locks and brokers by URL.
//
//   Toolkit toolkit(runtime, files);
//   auto db = toolkit.database("sqlite:shop.db");
//   auto locks = toolkit.lock_backend("sqlite:.tidelock/state.db");
//   auto events = toolkit.broker("sqlite:events.db");
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/broker/broker.h"
#include "tidelock/lock/backend.h"
#include "tidelock/sql/database.h"

namespace tidelock {

// With every backend that is compiled in. An application has one. Thread-safe. Borrows runtime and files, which must
// outlive it and everything opened by it.
class Toolkit {
 public:
  Toolkit(base::Runtime& runtime, base::Files& files) : runtime_(runtime), files_(files) {}
  Toolkit(const Toolkit&) = delete;
  Toolkit& operator=(const Toolkit&) = delete;

  // A pool of its own each time. Errors: those of sql::open().
  std::shared_ptr<sql::Database> database(std::string_view url, const sql::DatabaseOptions& options = {},
                                          std::optional<base::Deadline> deadline = {},
                                          const std::stop_token& stop = {});
  std::shared_ptr<sql::Database> database(const base::Url& url, const sql::DatabaseOptions& options = {},
                                          std::optional<base::Deadline> deadline = {},
                                          const std::stop_token& stop = {});

  // One arbiter a URL, however it is spelled, for as long as this Toolkit lives: all who name memory: exclude each
  // other.
  // Errors: those of lock::open_backend().
  std::shared_ptr<lock::Backend> lock_backend(std::string_view url) TIDELOCK_EXCLUDES(mutex_);

  // One of its own each time. Errors: those of broker::open().
  std::shared_ptr<broker::Broker> broker(std::string_view url);

  base::Runtime& runtime() const { return runtime_; }
  base::Files& files() const { return files_; }

 private:
  using LockBackends = std::vector<std::pair<base::Url, std::shared_ptr<lock::Backend>>>;

  // Null: none yet.
  std::shared_ptr<lock::Backend> find_lock_backend(const base::Url& url) const TIDELOCK_REQUIRES(mutex_);

  base::Runtime& runtime_;
  base::Files& files_;
  base::LocalMutex mutex_;
  LockBackends lock_backends_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock
