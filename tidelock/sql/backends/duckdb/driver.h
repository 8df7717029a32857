// DuckDB as an engine of Tidelock.
#pragma once

#include <memory>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/backends/duckdb/instance.h"
#include "tidelock/sql/backends/duckdb/interrupter.h"
#include "tidelock/sql/backends/duckdb/settings.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::duckdb {

// Thread-safe. The database stays open as long as the driver or one of its sessions lives.
class DuckDriver final : public Driver {
 public:
  // Opens the database. Borrows runtime and files. Errors: those of Instance::open(); unsupported without the library.
  DuckDriver(base::Runtime& runtime, base::Files& files, Settings settings);

  const Dialect& dialect() const override { return dialect_; }
  // Opens the database anew when the engine had shut it down. A session never waits, so the deadline says nothing.
  std::unique_ptr<Session> open(base::Deadline deadline, const std::stop_token& stop) override;

 private:
  std::shared_ptr<Instance> instance() TIDELOCK_EXCLUDES(mutex_);

  base::Runtime& runtime_;
  base::Files& files_;
  Settings settings_;
  Dialect dialect_;
  std::shared_ptr<Watchdog> watchdog_;
  base::LocalMutex mutex_;
  std::shared_ptr<Instance> instance_ TIDELOCK_GUARDED_BY(mutex_);
};

Dialect make_dialect(const std::string& version);

}  // namespace tidelock::sql::duckdb
