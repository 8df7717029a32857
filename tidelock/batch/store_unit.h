// The transactions of one step in the business database: fenced, with the checkpoint in each, tried again when that is
// right, and never repeated when they may have been committed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tidelock/batch/checkpoint.h"
#include "tidelock/batch/step_run.h"

namespace tidelock::batch {

// Used by the task of the run.
class StoreUnit {
 public:
  explicit StoreUnit(const StepRun& run);

  // Makes the tables where needed, and takes over what an earlier execution has done.
  // Errors: those of the store; fenced.
  const Checkpoint& begin();
  const Checkpoint& checkpoint() const { return counts_.checkpoint; }

  // Runs `unit` in a transaction that also moves the checkpoint to `next`; up to max_attempts times, each in a fresh
  // transaction; a store that is out of reach is waited for before the next one. After a commit of unknown outcome the
  // checkpoint in the store tells what became of it. Errors: what the unit or the engine throws and is no use
  // repeating, or was repeated in vain; fenced. `was_read` says that the unit writes what was read from a store: then
  // also read_only_server, since the server that takes over may have other rows.
  void commit(const std::function<void(sql::Transaction&)>& unit, Checkpoint next, bool was_read = false);

  // What changes nothing, again and again: up to 20 s, while the store is out of reach or busy. Errors: those of
  // `look`.
  void look(const std::function<void()>& look) const;

  // Between an attempt that failed and the next: pauses, and waits for a store that is out of reach. Error: the same
  // again, when it is no use repeating or was the last one.
  void before_next(Attempts& attempts, const Error& failed) const;

 private:
  CheckpointKey key() const { return {run_.record.run().uuid, run_.place}; }
  bool is_fenced() const;
  void fence(sql::Transaction& tx) const;
  void attempt(const std::function<void(sql::Transaction&)>& unit, const Checkpoint& next);
  template <typename Body>
  auto insist(Body&& body) const;
  void wait_for_store() const;
  bool was_committed(const Checkpoint& next) const;
  void committed(const Checkpoint& next);

  const StepRun& run_;
  sql::Database& store_;
  StepCounts counts_;
  std::vector<std::string> forget_;  // Runs whose checkpoints are of no use any more.
};

}  // namespace tidelock::batch
