// A server's database that holds the state of locks.
#pragma once

#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backends/sql/state.h"

namespace tidelock::lock {

// Opens it once; its pool makes new connections when the server was restarted, to the primary alone. Waiters are told
// where the engine can, over a connection of their own, and look where it cannot, or where a pooler stands between.
// Thread-safe.
class StateServer final : public StateSource {
 public:
  // `now`: as of ServerTables; for tests that move the clock. Error: invalid_argument for a URL that cannot be used.
  StateServer(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options,
              std::string now = {});

  Guarantees guarantees() const override;
  // Errors: also unsupported for an engine that cannot keep locks; read_only_server for a standby or replica, where
  // locks are to be written.
  std::shared_ptr<const State> get(base::Deadline deadline) override TIDELOCK_EXCLUDES(mutex_);

 private:
  std::shared_ptr<const State> open(base::Deadline deadline);

  base::Runtime& runtime_;
  base::Files& files_;
  const base::Url url_;
  const bool read_only_;
  const std::string now_;
  base::LocalMutex mutex_;
  std::shared_ptr<const State> state_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::lock
