// Transactions, savepoints and bulk writing of a Link.
#include <algorithm>
#include <string>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/link_internal.h"
#include "tidelock/sql/row_key.h"

namespace tidelock::sql {
namespace {

bool may_stand_in_xid(char c) {
  return base::ascii::is_letter_or_digit(c) || c == '.' || c == '_' || c == ':' || c == '-';
}

void check_server_options(const Dialect& dialect, const TransactionOptions& options) {
  if (options.lock_timeout) {
    dialect.require(dialect.lock_timeout, "timeout of waits for locks");
    if (*options.lock_timeout < base::Duration::zero()) {
      throw Error(Code::invalid_argument, "a lock timeout of " + base::format_duration(*options.lock_timeout) +
                                              ": it must be 0, so as not to wait at all, or longer");
    }
  }
  if (options.xid.empty()) return;
  dialect.require(dialect.two_phase, "commit in two phases");
  if (options.xid.size() > kXidBytesMost || !std::ranges::all_of(options.xid, may_stand_in_xid)) {
    throw Error(Code::invalid_argument, "the xid " + base::quoted(options.xid) + " is not 1 to " +
                                            std::to_string(kXidBytesMost) + " letters, digits and . _ : -");
  }
}

// The n-th savepoint inside a transaction.
std::string savepoint_name(std::size_t depth) { return "tidelock_" + std::to_string(depth); }

}  // namespace

void Link::CancelOnStop::operator()() const noexcept { link->pool_.cancel(*link, lease); }

void Link::doom(Error error) noexcept {
  if (doomed_) return;  // The first reason is the one to tell.
  doomed_ = std::move(error);
  doomed_depth_ = savepoints_;
}

void Link::doom_after(const Error& error) noexcept {
  if (pool_.dialect().poisoned_by_error || !session_->transaction_alive()) doom(error);
}

void Link::check_alive() const {
  if (doomed_) [[unlikely]] {
    throw Error(doomed_->code(),
                "the transaction can only be rolled back, since this happened in it before: " + doomed_->message());
  }
  if (stop_.stop_requested()) [[unlikely]]
    throw Error(Code::cancelled, "stopped on request");
}

std::uint64_t Link::begin(std::uint64_t scope, const TransactionOptions& options) {
  const Use use(*this);
  check(scope);
  const auto& dialect = pool_.dialect();
  if (options.isolation && !dialect.has(*options.isolation)) {
    throw Error(Code::unsupported, "no isolation level " + std::string(name(*options.isolation)) + " on " +
                                       dialect.engine + ": " + dialect.isolation_note);
  }
  if (options.timeout <= base::Duration::zero()) {
    throw Error(Code::invalid_argument, "a transaction timeout of " + base::format_duration(options.timeout) +
                                            ": it must be longer than 0, or kNoTimeout");
  }
  check_server_options(dialect, options);
  if (options.stop.stop_requested()) throw Error(Code::cancelled, "stopped on request before the transaction began");
  BeginOptions begin{.isolation = options.isolation,
                     .read_only = options.read_only || pool_.options().read_only,
                     .lock_timeout = options.lock_timeout,
                     .xid = options.xid};
  if (options.timeout != kNoTimeout) begin.deadline = base::later(pool_.runtime().now(), options.timeout);
  begin.stop = options.stop;
  if (options.stop.stop_possible()) {
    expect_cancel();
    on_stop_.emplace(options.stop, CancelOnStop{this, lease_});
  }

  const auto transaction = pool_.next_number();
  try {
    observed(Category::begin, transaction, "begin", [&] { session_->begin(begin); });
  } catch (...) {
    on_stop_.reset();
    throw;
  }
  scope_ = transaction;
  transaction_deadline_ = begin.deadline;
  stop_ = options.stop;
  has_xid_ = !options.xid.empty();
  reads_only_ = options.read_only;
  return transaction;
}

void Link::end_transaction() noexcept {
  scope_ = lease_;
  on_stop_.reset();  // Waits for a callback that runs just now.
  stop_ = {};
  transaction_deadline_ = base::Deadline::never();
  savepoints_ = 0;
  has_xid_ = reads_only_ = false;
  doomed_.reset();
}

void Link::require_committable(std::uint64_t scope) {
  if (scope != scope_) throw_misuse(scope);
  try {
    check(scope);  // A Rows or BulkWriter is still on.
    check_alive();
    if (!transaction_deadline_.is_never() && transaction_deadline_.passed(pool_.runtime().now())) {
      throw Error(Code::timeout, "the transaction was not committed: its time was over");
    }
  } catch (...) {
    rollback(scope);
    throw;
  }
}

Position Link::commit(std::uint64_t scope, bool want_position) {
  const Use use(*this);
  require_committable(scope);
  try {
    auto position = observed(Category::commit, scope, "commit", [&] { return session_->commit(want_position); });
    end_transaction();
    return position;
  } catch (const Error& error) {
    if (error.code() == Code::unknown_outcome) broken_ = true;
    end_transaction();
    throw;
  } catch (...) {
    broken_ = true;
    end_transaction();
    throw;
  }
}

void Link::rollback(std::uint64_t scope) noexcept {
  if (scope != scope_ || !in_transaction()) return;
  drop_running();
  try {
    observed(Category::rollback, scope, "rollback", [&] { session_->rollback(); });
  } catch (...) {  // Only the observation can throw: no memory.
    broken_ = true;
  }
  end_transaction();
}

std::size_t Link::savepoint(std::uint64_t scope) {
  const Use use(*this);
  check(scope);
  const auto& dialect = pool_.dialect();
  if (!dialect.savepoints) {
    throw Error(Code::unsupported, "no savepoints on " + dialect.engine + ": " + dialect.savepoints_note);
  }
  check_alive();
  const auto depth = savepoints_ + 1;
  try {
    observed(Category::savepoint, scope, "savepoint", [&] { session_->savepoint(savepoint_name(depth)); });
  } catch (const Error& error) {
    doom_after(error);
    throw;
  }
  return savepoints_ = depth;
}

void Link::check_depth(std::uint64_t scope, std::size_t depth) const {
  check(scope);
  if (depth > savepoints_) {
    throw Error(Code::misuse, "the savepoint is over: it, or one around it, was released or rolled back");
  }
}

void Link::release_savepoint(std::uint64_t scope, std::size_t depth) {
  const Use use(*this);
  check_depth(scope, depth);
  check_alive();
  try {
    observed(Category::savepoint, scope, "release savepoint",
             [&] { session_->release_savepoint(savepoint_name(depth)); });
  } catch (const Error& error) {
    doom_after(error);
    throw;
  }
  savepoints_ = depth - 1;
}

void Link::rollback_to_savepoint(std::uint64_t scope, std::size_t depth) {
  const Use use(*this);
  check_depth(scope, depth);
  if (doomed_ && (doomed_depth_ < depth || !session_->transaction_alive())) check_alive();
  try {
    observed(Category::savepoint, scope, "rollback to savepoint", [&] {
      session_->rollback_to_savepoint(savepoint_name(depth));
      session_->release_savepoint(savepoint_name(depth));
    });
  } catch (const Error& error) {  // What was to be taken back may still be there.
    doom(error);
    throw;
  }
  savepoints_ = depth - 1;
  doomed_.reset();  // Its cause is taken back as well.
}

void Link::drop_savepoint(std::uint64_t scope, std::size_t depth) noexcept {
  if (scope != scope_ || depth > savepoints_) return;
  try {
    drop_running();
    rollback_to_savepoint(scope, depth);
  } catch (const Error& error) {
    doom(error);
  } catch (...) {
    doom(Error(Code::internal, "a savepoint could not be taken back"));
  }
}

BulkWriter Link::bulk(std::uint64_t scope, std::string_view table, std::span<const std::string> columns) {
  const Use use(*this);
  check(scope);
  auto text = "bulk " + std::string(table) + " (" + base::listed(columns) + ")";
  std::string name;
  try {
    if (columns.empty()) throw Error(Code::invalid_argument, "name the columns to write into " + base::quoted(table));
    check_alive();
    name = quoted_table_name(table, pool_.dialect());
  } catch (const Error& error) {
    report_refused(Category::bulk, text, error);
    throw;
  }
  const bool owns_transaction = !in_transaction();
  if (owns_transaction) {
    const auto transaction = pool_.next_number();
    observed(Category::begin, transaction, "begin", [&] {
      session_->begin(
          {.isolation = {}, .read_only = pool_.options().read_only, .deadline = statement_deadline(), .stop = {}});
    });
    scope_ = transaction;
  }
  try {
    bulk_ = session_->bulk(name, columns);
  } catch (const Error& error) {
    heed(error);
    report_refused(Category::bulk, text, error);
    doom_after(error);
    if (owns_transaction) rollback(scope_);
    throw;
  }
  bulk_text_ = std::move(text);
  bulk_failure_.reset();
  observe_cursor(Category::bulk, bulk_text_, std::span<const ValueView>());
  bulk_columns_ = columns.size();
  bulk_owns_transaction_ = owns_transaction;
  cursor_ = {nullptr, ++last_execution_, 0};
  running_ = bulk_text_;
  rows_ = 0;
  return BulkWriter(*this, last_execution_);
}

void Link::bulk_append(std::uint64_t execution, const Values& row) {
  const Use use(*this);
  if (cursor_.execution != execution || bulk_ == nullptr) throw_over();
  if (row.has_secrets() && observation_ != nullptr) [[unlikely]]
    observation_->note_secrets();
  bool given = false;
  try {
    if (row.size() != bulk_columns_) {
      throw Error(Code::invalid_argument, bulk_text_ + " takes " + std::to_string(bulk_columns_) +
                                              " values a row and was given " + std::to_string(row.size()));
    }
    check_values(row);
    check_alive();
    given = true;
    bulk_->append(row.get());
  } catch (const Error& error) {
    if (!bulk_failure_) bulk_failure_ = error;
    heed(error);
    if (given) doom(error);
    throw;
  }
  ++rows_;
}

std::int64_t Link::bulk_finish(std::uint64_t execution) {
  std::uint64_t own = 0;
  {
    const Use use(*this);
    if (cursor_.execution != execution || bulk_ == nullptr) throw_over();
    try {
      bulk_->finish();
    } catch (const Error& error) {
      if (!bulk_failure_) bulk_failure_ = error;
      heed(error);
      doom(error);
      throw;
    }
    bulk_.reset();
    if (bulk_owns_transaction_) own = scope_;
    end_cursor();
  }
  const auto rows = rows_;
  if (own != 0) commit(own, false);
  return rows;
}

void Link::bulk_drop(std::uint64_t execution) noexcept {
  if (cursor_.execution != execution) return;
  drop_running();
  if (bulk_owns_transaction_) {
    rollback(scope_);
  } else {
    doom(Error(Code::misuse, bulk_text_ + " was not finished"));
  }
}

}  // namespace tidelock::sql
