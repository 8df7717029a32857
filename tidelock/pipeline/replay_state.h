// How far a replay has come, in the state database: one that was killed goes on there.
#pragma once

#include <optional>
#include <string>

#include "tidelock/base/time.h"
#include "tidelock/pipeline/market_clock.h"
#include "tidelock/sql/database.h"

namespace tidelock::pipeline {

// Used by one task. Borrows the database.
class ReplayState {
 public:
  // A state belongs to one replay, or to the real time: the schedules of one would find years of missed runs in the
  // other. replay: null for the real time. Errors: already_exists when the state is of another kind; those of the
  // database.
  ReplayState(sql::Database& state, const std::string& pipeline, const std::optional<Replay>& replay);

  // Everything due up to and including this moment was decided. Empty: nothing yet.
  std::optional<base::WallTime> position() const { return position_; }
  void save(base::WallTime position);

 private:
  sql::Database& state_;
  std::string pipeline_;
  std::optional<base::WallTime> position_;
};

}  // namespace tidelock::pipeline
