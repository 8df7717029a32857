// Keeps a DuckDB database from writing checkpoints while its file is copied, and writes one first.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/base/backoff.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/copier.h"
#include "tidelock/sql/database.h"

namespace tidelock::replica {

// While it is taken, the file of `owner` stands as the checkpoint left it, unless somebody asks for one by hand;
// commits go to the log meanwhile. Of two on one database the second waits until the first is released. Should both
// come at the very same moment and neither see the other, no harm is done: when the first ends, the other's copier sees
// the file change, and begins again.
class CheckpointHold final : public Hold {
 public:
  CheckpointHold(sql::Database& owner, base::Duration patience) : owner_(owner), patience_(patience) {}
  ~CheckpointHold() override { release(); }
  CheckpointHold(const CheckpointHold&) = delete;
  CheckpointHold& operator=(const CheckpointHold&) = delete;

  // Waits for another hold, and for readers who still need rows that were changed since; writers go on. Errors: timeout
  // after `patience`, cancelled; those of the engine.
  void take(const std::stop_token& stop) override;
  void release() noexcept override;

 private:
  void set_aside(base::Deadline deadline, const std::stop_token& stop);
  void checkpoint(base::Deadline deadline, const std::stop_token& stop);
  void wait(base::Backoff& backoff, const std::stop_token& stop);

  sql::Database& owner_;
  const base::Duration patience_;
  // While it is taken: of a pool that has others, so that to release it needs to wait for nobody.
  std::optional<sql::Connection> connection_;
  std::string threshold_;  // Before; empty: not taken.
};

}  // namespace tidelock::replica
