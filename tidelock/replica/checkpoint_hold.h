// Keeps a DuckDB database from writing checkpoints while its file is copied, and writes one first.
#pragma once

#include <stop_token>
#include <string>

#include "tidelock/base/runtime.h"
#include "tidelock/sql/database.h"

namespace tidelock::replica {

// From its constructor to its destructor the file of `owner` stands as the checkpoint left it, unless somebody asks for
// one by hand; commits go to the log meanwhile. Two at once on one database do no harm: when the first ends, the
// other's copier sees the file change, and begins again. Used by one task.
class CheckpointHold {
 public:
  // Waits for readers who still need rows that were changed since; writers go on. Errors: timeout after `patience`,
  // cancelled; those of the engine.
  CheckpointHold(sql::Database& owner, base::Duration patience, const std::stop_token& stop);
  ~CheckpointHold();
  CheckpointHold(const CheckpointHold&) = delete;
  CheckpointHold& operator=(const CheckpointHold&) = delete;

 private:
  void checkpoint(base::Duration patience, const std::stop_token& stop);
  void release() noexcept;

  sql::Database& owner_;
  std::string threshold_;  // Before; empty: somebody else holds it already.
};

}  // namespace tidelock::replica
