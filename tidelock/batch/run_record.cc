#include "tidelock/batch/run_record.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "tidelock/base/retry.h"
#include "tidelock/base/uuid.h"
#include "tidelock/lock/owner.h"
#include "tidelock/sql/upsert.h"

namespace tidelock::batch {

using namespace std::chrono_literals;

namespace {
constexpr base::Duration kAttemptLimit = 30s;  // Of one attempt, where nothing presses.
constexpr base::Duration kFarewell = 1s;       // Of what is said after a hard stop.
}  // namespace

std::string run_key(std::string_view uuid) { return "run/" + std::string(uuid); }

std::optional<RunRow> find_run(sql::Database& state, RunId id) {
  auto connection = state.connect();
  auto rows = connection.query(
      "select uuid, job, status, cause, scheduled_us, executions, stop_requested from tidelock_run where id = ?", id);
  if (!rows.next()) return std::nullopt;
  const auto row = rows.row();
  return RunRow{.id = id,
                .uuid = row.get<std::string>(0),
                .job = row.get<std::string>(1),
                .status = parse_run_status(row.get<std::string_view>(2)),
                .cause = parse_cause(row.get<std::string_view>(3)),
                .scheduled = from_us(row.get<std::int64_t>(4)),
                .executions = row.get<int>(5),
                .stop_requested = row.get<int>(6) != 0};
}

std::optional<RunId> insert_run(sql::Executor& state, const NewRun& run, RunStatus status, std::string_view reason) {
  const auto now = in_us(state.runtime().wall_now());
  std::optional<std::int64_t> ended;
  if (is_over(status)) ended = now;
  const auto uuid = base::uuid_v7(state.runtime()).to_string();
  state.execute(
      sql::upsert_statement(state.dialect(), {.table = "tidelock_run",
                                              .columns = {"uuid", "once_key", "job", "status", "cause", "caused_by",
                                                          "scheduled_us", "queued_us", "ended_us", "reason"},
                                              .key = {"once_key"},
                                              .update = {}}),
      uuid, run.key, run.job, name(status), name(run.cause), run.caused_by, in_us(run.scheduled), now, ended, reason);
  return state.maybe<RunId>("select id from tidelock_run where uuid = ?", uuid);  // Another one's has the key: none.
}

// fn(connection). `limit`: of the wait for the connection, and of each statement.
template <typename Fn>
auto RunRecord::ask(base::Duration limit, const std::stop_token& stop, Fn&& fn) const {
  auto connection = context_.state.connect(context_.runtime.in(limit), stop);
  connection.set_statement_timeout(limit);
  const std::stop_callback on_stop(stop, [canceller = connection.canceller()] { canceller.cancel(); });
  return fn(connection);
}

template <typename Fn>
auto RunRecord::patiently(Fn&& fn) const {
  if (hard_.stop_requested()) return ask(kFarewell, {}, fn);
  return base::retry(context_.runtime, kStatePatience, hard_, [&] { return ask(kAttemptLimit, hard_, fn); });
}

// A statement whose last two values are the run and the token under which it may be changed.
template <typename... Args>
void RunRecord::write(std::string_view sql, const Args&... args) const {
  patiently([&](sql::Connection& on) {
    if (on.execute(sql, args..., run_.id, token_) == 0) require_own(on);
  });
}

// fn(transaction), during which nobody takes the run over.
template <typename Fn>
void RunRecord::write_as_owner(Fn&& fn) const {
  patiently([&](sql::Connection& on) {
    auto tx = on.begin();
    require_own(tx);
    fn(tx);
    tx.commit();
  });
}

// The same for one change of one step, in one statement: there is one after each chunk.
template <typename... Args>
void RunRecord::write_step(std::string_view changes, std::size_t place, const Args&... args) const {
  write(fmt::format("update tidelock_step set {} where run = ? and place = ? and "
                    "exists (select 1 from tidelock_run where id = ? and token = ?{})",
                    changes, share()),
        args..., run_.id, place);
}

void RunRecord::require_own(sql::Executor& on) const {
  const auto token = on.maybe<std::int64_t>("select token from tidelock_run where id = ?" + share(), run_.id);
  if (token != token_) throw continued_elsewhere(token_);
}

// Who reads the run's row to write what depends on it waits for who is about to take the run over, and is waited for.
std::string RunRecord::share() const {
  const auto& lock = context_.state.dialect().row_locks.for_share;
  return lock ? " " + lock.sql : "";
}

RunRecord::RunRecord(const Context& context, RunRow run, std::int64_t token, std::stop_token hard)
    : context_(context), run_(std::move(run)), token_(token), hard_(std::move(hard)) {}

bool RunRecord::begun() {
  const auto& self = context_.runtime.identity();
  const auto sql = fmt::format(
      "update tidelock_run set status = 'waiting', executions = executions + 1, started_us = coalesce(started_us, ?), "
      "ended_us = null, reason = '', owner = ?, host = ?, pid = ?, token = ?, slot_key = '', slot_claim = ''{} "
      "where id = ? and token < ? and status in ({}{})",
      run_.by_operator ? ", stop_requested = 0" : "", kUnfinished, run_.by_operator ? ", 'failed', 'stopped'" : "");
  return patiently([&](sql::Connection& on) {
    if (on.execute(sql, in_us(now()), lock::current_owner(context_.runtime), self.host, self.pid, token_, run_.id,
                   token_) > 0) {
      return true;
    }
    const auto token = on.maybe<std::int64_t>("select token from tidelock_run where id = ?", run_.id);
    if (token && *token < token_) return false;
    if (token != token_) throw continued_elsewhere(token_);
    return true;  // An attempt whose answer was lost has done it.
  });
}

void RunRecord::waits_since(base::WallTime moment) {
  write("update tidelock_run set waited_us = coalesce(waited_us, ?) where id = ? and token = ?", in_us(moment));
}

void RunRecord::got_slot(std::string_view key, std::string_view claim) {
  write(
      "update tidelock_run set status = 'running', slot_key = ?, slot_claim = ? where id = ? and token = ? and "
      "status in ('waiting', 'running')",
      key, claim);
}

void RunRecord::ended(RunStatus status, const std::string& reason, bool leaves_checkpoints) {
  patiently([&](sql::Connection& on) {
    on.execute(
        "update tidelock_run set status = ?, ended_us = ?, reason = ?, slot_key = '', slot_claim = '', checkpoints = ? "
        "where id = ? and token = ? and status in ('waiting', 'running')",  // Not when it was stopped as a dead one's.
        name(status), in_us(now()), reason, leaves_checkpoints ? 1 : 0, run_.id, token_);
  });
}

bool RunRecord::stop_requested(const std::stop_token& end) const {
  return ask(kAttemptLimit, end, [&](sql::Connection& on) {
    return on.maybe<std::int64_t>("select stop_requested from tidelock_run where id = ? and token = ?", run_.id,
                                  token_) == 1;
  });
}

std::string RunRecord::step_status(std::size_t place) const {
  return patiently([&](sql::Connection& on) {
    return on.maybe<std::string>("select status from tidelock_step where run = ? and place = ?", run_.id, place)
        .value_or("");
  });
}

void RunRecord::step_begun(std::size_t place, std::string_view name, std::string_view kind) {
  const auto sql =
      sql::upsert_statement(context_.state.dialect(),
                            {.table = "tidelock_step",
                             .columns = {"run", "place", "name", "kind", "status", "started_us", "error", "ended_us"},
                             .key = {"run", "place"},
                             .update = {"status", "error", "ended_us"}});
  write_as_owner([&](sql::Transaction& tx) {
    tx.execute(sql, run_.id, place, name, kind, "running", in_us(now()), "", std::optional<std::int64_t>());
  });
}

void RunRecord::step_progress(std::size_t place, const StepCounts& counts) {
  const auto& c = counts.checkpoint;
  write_step(
      "attempts = ?, rollbacks = ?, rows_read = ?, rows_written = ?, rows_skipped = ?, rows_passed_over = ?, "
      "commits = ?",
      place, counts.attempts, counts.rollbacks, c.position, c.rows_written, c.rows_skipped, c.rows_passed_over,
      c.commits);
}

void RunRecord::step_ended(std::size_t place, std::string_view status, const std::string& error) {
  write_step("status = ?, ended_us = ?, error = ?", place, status, in_us(now()), error);
}

Checkpoint RunRecord::all_rows() const {
  return patiently([&](sql::Connection& on) {
    auto rows = on.query(
        "select coalesce(sum(rows_read), 0), coalesce(sum(rows_written), 0), coalesce(sum(rows_skipped), 0), "
        "coalesce(sum(rows_passed_over), 0) from tidelock_step where run = ?",
        run_.id);
    rows.next();
    const auto count = [&](std::size_t column) { return rows.row().get<std::uint64_t>(column); };
    return Checkpoint{
        .position = count(0), .rows_written = count(1), .rows_skipped = count(2), .rows_passed_over = count(3)};
  });
}

void RunRecord::add_skips(std::size_t place, std::span<const BadRow> rows) {
  if (rows.empty()) return;
  const auto sql = sql::upsert_statement(context_.state.dialect(),
                                         {.table = "tidelock_skip",
                                          .columns = {"run", "step", "position", "place", "record", "error"},
                                          .key = {"run", "step", "position"},
                                          .update = {"place", "record", "error"}});
  write_as_owner([&](sql::Transaction& tx) {
    for (const auto& row : rows) tx.execute(sql, run_.id, place, row.position, row.place, row.record, row.error);
  });
}

void RunRecord::drop_skips_behind(std::size_t place, std::uint64_t position) {
  write_as_owner([&](sql::Transaction& tx) {
    tx.execute("delete from tidelock_skip where run = ? and step = ? and position > ?", run_.id, place, position);
  });
}

void RunRecord::add_event(std::string_view step, std::string_view level, const std::string& text) const {
  patiently([&](sql::Connection& on) {
    on.execute("insert into tidelock_event (run, step, at_us, level, text) values (?, ?, ?, ?, ?)", run_.id, step,
               in_us(now()), level, text);
  });
}

void RunRecord::event(std::string_view step, base::LogLevel level, const std::string& text) const {
  add_event(step, base::name(level), text);
  if (context_.progress) context_.progress({run_.id, run_.job, std::string(step), level, text});
}

void RunRecord::failed(std::string_view step, const std::string& reason) const {
  add_event(step, base::name(base::LogLevel::error), reason);
}

void RunRecord::output(std::string_view step, const std::string& text) const {
  add_event(step, "output", text);
  if (context_.progress) context_.progress({run_.id, run_.job, std::string(step), base::LogLevel::info, text});
}

std::vector<std::string> RunRecord::left_checkpoints() const {
  return patiently([&](sql::Connection& on) {
    std::vector<std::string> runs;
    for (const auto row : on.query("select uuid from tidelock_run where job = ? and checkpoints = 1 and "
                                   "id <> ? and status = 'completed' limit 100",
                                   run_.job, run_.id)) {
      runs.push_back(row.get<std::string>(0));
    }
    return runs;
  });
}

void RunRecord::forgot_checkpoints(std::span<const std::string> runs) const {
  if (runs.empty()) return;
  patiently([&](sql::Connection& on) {
    auto tx = on.begin();
    for (const auto& run : runs) tx.execute("update tidelock_run set checkpoints = 0 where uuid = ?", run);
    tx.commit();
  });
}

}  // namespace tidelock::batch
