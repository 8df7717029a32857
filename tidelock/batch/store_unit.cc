#include "tidelock/batch/store_unit.h"

#include <fmt/format.h>

#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/retry.h"
#include "tidelock/lock/fence.h"
#include "tidelock/sql/transact.h"

namespace tidelock::batch {

// Of what may be done again and again, whatever came of it before.
template <typename Body>
auto StoreUnit::insist(Body&& body) const {
  return base::retry(run_.context.runtime, kStatePatience, run_.hard, std::forward<Body>(body));
}

StoreUnit::StoreUnit(const StepRun& run) : run_(run), store_(run.open_store()) {}

const Checkpoint& StoreUnit::begin() {
  auto& checkpoint = counts_.checkpoint;
  const bool resumed = run_.record.run().executions > 0;
  insist([&] {
    if (is_fenced()) lock::prepare_fence(store_);
    prepare_checkpoints(store_);
    if (!resumed) return;
    checkpoint = sql::transact(store_, {.stop = run_.hard}, [&](sql::Transaction& tx) {
      fence(tx);
      return claim_checkpoint(tx, key(), run_.record.token());
    });
  });
  if (resumed) run_.record.step_progress(run_.place, counts_);
  forget_ = run_.record.left_checkpoints();
  return checkpoint;
}

// A slot that only one run can have is fenced by itself; where there are several, each run only by its checkpoint.
bool StoreUnit::is_fenced() const { return !run_.job.group || run_.job.group->slots == 1; }

void StoreUnit::fence(sql::Transaction& tx) const {
  if (is_fenced()) lock::fence(tx, slot_key(run_.job), run_.slot_token);
}

void StoreUnit::attempt(const std::function<void(sql::Transaction&)>& unit, const Checkpoint& next) {
  auto connection = store_.connect();
  auto tx = connection.begin({.stop = run_.hard});
  fence(tx);
  // First: it waits for an earlier attempt whose commit is still on its way, and tells it from rows that are refused.
  move_checkpoint(tx, key(), counts_.checkpoint, next, run_.record.token());
  unit(tx);
  forget_checkpoints(tx, forget_);
  tx.commit();
}

void StoreUnit::commit(const std::function<void(sql::Transaction&)>& unit, Checkpoint next, bool was_read) {
  next.stored = counts_.checkpoint.stored;
  Attempts attempts(run_);
  for (;;) {
    std::optional<Error> failed;
    ++counts_.attempts;
    try {
      attempt(unit, next);
    } catch (const Error& error) {
      failed = error;
    }
    if (!failed) return committed(next);
    if (failed->disposition() == Disposition::unknown && was_committed(next)) {
      run_.event(base::LogLevel::warning,
                 fmt::format("a commit was answered by {}; the checkpoint says that it took place", failed->what()));
      return committed(next);
    }
    ++counts_.rollbacks;
    run_.record.step_progress(run_.place, counts_);
    if (was_read && failed->code() == Code::read_only_server) throw *failed;
    before_next(attempts, *failed);
  }
}

void StoreUnit::look(const std::function<void()>& look) const { insist(look); }

void StoreUnit::before_next(Attempts& attempts, const Error& failed) const {
  attempts.failed(failed);
  const auto code = failed.code();
  if (code == Code::connection_lost || code == Code::unavailable || code == Code::read_only_server) wait_for_store();
}

// A server that is started anew, or a standby that takes over, takes longer than a few attempts: until one changes rows
// again, of which here are none. If it does not come back, the next attempt says so.
void StoreUnit::wait_for_store() const {
  try {
    insist([&] { store_.execute("delete from tidelock_checkpoint where run = ''"); });
  } catch (const Error& error) {
    if (error.disposition() == Disposition::permanent && !base::may_pass(error.code())) throw;
  }
}

bool StoreUnit::was_committed(const Checkpoint& next) const {
  return insist([&] {
    auto connection = store_.connect();
    const auto found = find_checkpoint(connection, key());
    return found && found->commits == next.commits && found->position == next.position;
  });
}

void StoreUnit::committed(const Checkpoint& next) {
  counts_.checkpoint = next;
  counts_.checkpoint.stored = true;
  run_.record.step_progress(run_.place, counts_);
  run_.record.forgot_checkpoints(forget_);
  forget_.clear();
}

}  // namespace tidelock::batch
