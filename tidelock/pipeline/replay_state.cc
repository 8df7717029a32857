#include "tidelock/pipeline/replay_state.h"

#include <fmt/format.h>

#include <chrono>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/schema.h"
#include "tidelock/sql/transact.h"
#include "tidelock/sql/upsert.h"

namespace tidelock::pipeline {
namespace {

using namespace std::chrono_literals;

// Understood alike by SQLite, PostgreSQL and MariaDB.
constexpr std::string_view kSteps[] = {R"(
create table if not exists tidelock_replay (
  pipeline varchar(191) primary key not null,
  days varchar(64) not null,  -- '2018-01-03..2018-02-08'; 'real' when it is none
  position_us bigint          -- Of the market time, from the epoch; null before the first
);
)"};

constexpr const char* kRealTime = "real";

std::string describe(const std::string& days) { return days == kRealTime ? "the real time" : "the replay of " + days; }

}  // namespace

ReplayState::ReplayState(sql::Database& state, const std::string& pipeline, const std::optional<Replay>& replay)
    : state_(state), pipeline_(pipeline) {
  sql::migrate(state, {.room = "pipeline", .steps = kSteps}, state.runtime().in(10s));
  const auto days = replay ? replay->first + ".." + replay->last : std::string(kRealTime);
  const sql::Upsert begun{
      .table = "tidelock_replay", .columns = {"pipeline", "days"}, .key = {"pipeline"}, .update = {}};
  state.execute(sql::upsert_statement(state.dialect(), begun), pipeline, days);
  auto connection = state.connect();
  auto rows = connection.query("select days, position_us from tidelock_replay where pipeline = ?", pipeline);
  if (!rows.next()) throw Error(Code::internal, "the row of the pipeline is gone");
  const auto found = rows.row().get<std::string>(0);
  if (found != days) {
    throw Error(Code::already_exists,
                fmt::format("the state of pipeline {} holds {}, not {}: name another work folder with --work",
                            base::quoted(pipeline), describe(found), describe(days)));
  }
  if (const auto us = rows.row().get<std::optional<std::int64_t>>(1)) {
    position_ = base::WallTime(std::chrono::microseconds(*us));
  }
}

void ReplayState::save(base::WallTime position) {
  if (position_ == position) return;
  state_.execute("update tidelock_replay set position_us = ? where pipeline = ?",
                 static_cast<std::int64_t>(position.time_since_epoch().count()), pipeline_);
  position_ = position;
}

}  // namespace tidelock::pipeline
