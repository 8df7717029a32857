#include "tidelock/batch/checkpoint.h"

#include <fmt/format.h>

#include <array>
#include <bit>

#include "tidelock/base/error.h"
#include "tidelock/sql/row_lock.h"
#include "tidelock/sql/schema.h"

namespace tidelock::batch {
namespace {

// Understood alike by all engines that a step can write to.
constexpr std::array<std::string_view, 1> kSteps = {
    "create table if not exists tidelock_checkpoint (run varchar(64) not null, step bigint not null, token bigint not "
    "null, position bigint not null, fingerprint bigint not null, rows_written bigint not null, rows_skipped bigint "
    "not "
    "null, rows_passed_over bigint not null, commits bigint not null, complete bigint not null, "
    "primary key (run, step))",
};

std::int64_t as_column(std::uint64_t value) { return std::bit_cast<std::int64_t>(value); }
std::uint64_t as_count(std::int64_t value) { return std::bit_cast<std::uint64_t>(value); }

[[noreturn]] void refuse(sql::Transaction& tx, std::int64_t token) {
  tx.rollback();  // Whoever swallows the error commits nothing either.
  throw continued_elsewhere(token);
}

// What this execution knows of is not what is there: a commit whose answer never came has arrived meanwhile.
[[noreturn]] void refuse_moved(sql::Transaction& tx) {
  tx.rollback();
  throw Error(Code::unknown_outcome, "the checkpoint has moved: an earlier attempt may have been committed after all");
}

}  // namespace

Error continued_elsewhere(std::int64_t token) {
  return {Code::fenced,
          fmt::format("this run was continued by another execution, and the token {} of this one is older", token)};
}

void prepare_checkpoints(sql::Database& store) {
  sql::migrate(store, {.room = "batch_checkpoint", .steps = kSteps}, base::Deadline::never());
}

namespace {

std::optional<Checkpoint> read_checkpoint(sql::Executor& executor, const CheckpointKey& key, std::string_view lock) {
  auto rows = executor.query(
      fmt::format("select position, fingerprint, rows_written, rows_skipped, rows_passed_over, commits, complete "
                  "from tidelock_checkpoint where run = ? and step = ?{}",
                  lock),
      key.run, key.step);
  if (!rows.next()) return std::nullopt;
  const auto row = rows.row();
  const auto count = [&](std::size_t column) { return as_count(row.get<std::int64_t>(column)); };
  return Checkpoint{count(0), count(1), count(2), count(3), count(4), count(5), row.get<std::int64_t>(6) != 0, true};
}

void insert_checkpoint(sql::Transaction& tx, const CheckpointKey& key, const Checkpoint& c, std::int64_t token) {
  tx.execute(
      "insert into tidelock_checkpoint (run, step, token, position, fingerprint, rows_written, rows_skipped, "
      "rows_passed_over, commits, complete) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      key.run, key.step, token, as_column(c.position), as_column(c.fingerprint), as_column(c.rows_written),
      as_column(c.rows_skipped), as_column(c.rows_passed_over), as_column(c.commits), c.complete ? 1 : 0);
}

// Only over one of so many commits, by this execution or an older one. False: there is no such row.
bool update_checkpoint(sql::Transaction& tx, const CheckpointKey& key, std::uint64_t commits, const Checkpoint& c,
                       std::int64_t token) {
  return tx.execute(
             "update tidelock_checkpoint set token = ?, position = ?, fingerprint = ?, rows_written = ?, "
             "rows_skipped = ?, rows_passed_over = ?, commits = ?, complete = ? "
             "where run = ? and step = ? and commits = ? and token <= ?",
             token, as_column(c.position), as_column(c.fingerprint), as_column(c.rows_written),
             as_column(c.rows_skipped), as_column(c.rows_passed_over), as_column(c.commits), c.complete ? 1 : 0,
             key.run, key.step, as_column(commits), token) == 1;
}

}  // namespace

std::optional<Checkpoint> find_checkpoint(sql::Executor& executor, const CheckpointKey& key) {
  return read_checkpoint(executor, key, "");
}

void move_checkpoint(sql::Transaction& tx, const CheckpointKey& key, const Checkpoint& from, const Checkpoint& to,
                     std::int64_t token) {
  if (!from.stored) {
    try {
      return insert_checkpoint(tx, key, to, token);
    } catch (const Error& error) {
      if (error.code() != Code::constraint_violation) throw;
    }
    refuse_moved(tx);
  }
  if (update_checkpoint(tx, key, from.commits, to, token)) return;
  const auto newest =
      tx.maybe<std::int64_t>("select token from tidelock_checkpoint where run = ? and step = ?", key.run, key.step);
  if (newest.value_or(token) > token) refuse(tx, token);
  refuse_moved(tx);
}

Checkpoint claim_checkpoint(sql::Transaction& tx, const CheckpointKey& key, std::int64_t token) {
  // Whoever is in the middle of a commit is waited for.
  const auto lock = tx.dialect().row_locks.for_update ? sql::for_update(tx) : std::string();
  auto checkpoint = read_checkpoint(tx, key, lock).value_or(Checkpoint{});
  move_checkpoint(tx, key, checkpoint, checkpoint, token);
  checkpoint.stored = true;
  return checkpoint;
}

void forget_checkpoints(sql::Transaction& tx, std::span<const std::string> runs) {
  for (const auto& run : runs) tx.execute("delete from tidelock_checkpoint where run = ?", run);
}

}  // namespace tidelock::batch
