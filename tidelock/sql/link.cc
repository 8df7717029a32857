#include "tidelock/sql/link.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/link_internal.h"
#include "tidelock/sql/placeholders.h"

namespace tidelock::sql {
namespace {

void check_text(std::string_view text, std::size_t number, bool secret) {
  const auto nul = text.find('\0');
  const auto invalid = nul == text.npos ? base::find_invalid_utf8(text) : nul;
  if (!invalid) [[likely]]
    return;
  throw Error(Code::invalid_argument, "value " + std::to_string(number) + " has " +
                                          (nul == text.npos ? "bytes that are not UTF-8" : "a NUL byte") + " at byte " +
                                          std::to_string(*invalid + 1) + ": " +
                                          (secret ? std::string(base::kMasked) : base::quoted(text)) +
                                          "; bind it as a Blob");
}

[[noreturn]] void throw_wrong_count(std::size_t wanted, std::size_t given, std::string_view sql) {
  throw Error(Code::invalid_argument, "the statement takes " + std::to_string(wanted) +
                                          (wanted == 1 ? " value" : " values") + " and was given " +
                                          std::to_string(given) + ": " + base::quoted(sql));
}

constexpr base::Duration kPrimarySaysSoWithin = std::chrono::seconds(10);

// Of a session that nobody has yet.
void require_primary(Session& session, const Pool& pool, base::Deadline deadline, const std::stop_token& stop) {
  const auto& question = pool.dialect().is_standby;
  if (question.empty()) return;
  if (stop.stop_possible()) session.expect_cancel();
  const std::stop_callback on_stop(stop, [&] { session.cancel(); });
  const auto until = std::min(deadline, base::Deadline(base::later(pool.runtime().now(), kPrimarySaysSoWithin)));
  const auto asked = session.prepare(question, until);
  if (stop.stop_requested()) throw Error(Code::cancelled, "stopped while a connection was opened to " + pool.name());
  asked->start({}, until);
  const bool is_primary = asked->next() && !try_convert<bool>(asked->value(0)).value_or(true);
  asked->finish();
  if (is_primary) return;
  throw Error(
      Code::read_only_server,
      pool.name() + " is on a standby or replica, or on a server that is kept read-only: connect to the primary");
}

}  // namespace

void check_values(const Values& all) {
  const auto values = all.get();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (const auto* text = std::get_if<std::string_view>(&values[i])) {
      check_text(*text, i + 1, all.is_secret(i));
    } else if (const auto* json = std::get_if<JsonView>(&values[i])) {
      check_text(json->text, i + 1, all.is_secret(i));
    } else if (const auto* decimal = std::get_if<DecimalView>(&values[i]);
               decimal && !is_plain_decimal(decimal->text)) {
      throw Error(Code::invalid_argument,
                  "value " + std::to_string(i + 1) + " is no decimal number: " + base::quoted(decimal->text));
    }
  }
}

void Link::Observation::begin(Observer& observer, Category category, std::uint64_t transaction, std::string_view sql,
                              const Values& values, bool announced) {
  values_.clear();
  views_.clear();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values_.push_back(values.is_secret(i) ? Value(std::string(base::kMasked)) : to_value(values.get()[i]));
  }
  for (const auto& value : values_) views_.push_back(view(value));
  category_ = category;
  transaction_ = transaction;
  sql_ = sql;
  has_secrets_ = values.has_secrets();
  started_ = link_.pool_.runtime().now();
  observer_ = &observer;
  if (announced) observer.on_start(event(0, nullptr, started_));
}

void Link::Observation::end(std::int64_t rows, const Error* error) noexcept {
  if (auto* const observer = std::exchange(observer_, nullptr)) {
    observer->on_statement(event(rows, error, link_.pool_.runtime().now()));
  }
}

StatementEvent Link::Observation::event(std::int64_t rows, const Error* error, base::Instant now) const {
  const auto& pool = link_.pool_;
  return {.execution = this,
          .category = category_,
          .database = pool.name(),
          .dialect = pool.dialect(),
          .connection = link_.id_,
          .transaction = transaction_,
          .sql = sql_,
          .values = views_,
          .has_secrets = has_secrets_,
          .rows = rows,
          .started = started_,
          .elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now - started_),
          .error = error,
          .runtime = pool.runtime()};
}

void Link::observe_cursor(Category category, std::string_view sql, const Values& values) {
  auto* const observer = pool_.observer();
  if (observer == nullptr) [[likely]]
    return;
  if (observation_ == nullptr) observation_ = std::make_unique<Observation>(*this);
  observation_->begin(*observer, category, transaction_id(), sql, values);
}

void Link::end_observation(const Error* error) noexcept {
  if (observation_ != nullptr) [[unlikely]]
    observation_->end(rows_, error);
}

Link::Link(Pool& pool, std::uint64_t id, std::size_t statement_cache)
    : pool_(pool), id_(id), statements_(statement_cache) {}
Link::~Link() { close(); }

void Link::open(base::Deadline deadline, const std::stop_token& stop) {
  const auto generation = pool_.generation();
  auto session = pool_.driver().open(deadline, stop);
  if (pool_.options().primary_only) {
    try {
      require_primary(*session, pool_, deadline, stop);
    } catch (const Error& error) {
      if (error.code() != Code::connection_lost && error.code() != Code::unknown_outcome) throw;
      throw Error(Code::unavailable, error.message(), error.native().value_or(Error::Native{}));  // Nothing was begun.
    }
  }
  session_ = std::move(session);
  generation_ = generation;
}

bool Link::is_passed_over() const noexcept { return is_refused_ || generation_ != pool_.generation(); }

void Link::start_lease(std::uint64_t scope) {
  lease_ = scope_ = scope;
  statement_timeout_ = pool_.options().statement_timeout;
}

bool Link::end_lease() noexcept {
  drop_running();
  if (in_transaction()) rollback(scope_);
  lease_ = scope_ = 0;
  allowed_ = {};
  if (session_ == nullptr) return false;  // Spent.
  return !broken_ && !is_passed_over() && session_->reset();
}

void Link::close() noexcept {
  bulk_.reset();
  statements_.clear();
  session_.reset();
  broken_ = is_refused_ = false;
}

void Link::throw_misuse(std::uint64_t scope) const {
  if (scope == scope_) {
    throw Error(Code::misuse, "connection " + std::to_string(id_) + " runs " + base::quoted(running_) +
                                  ": read its rows to the end or call finish() first, or take another connection");
  }
  if (scope == lease_ && lease_ != 0) {
    throw Error(Code::misuse, "a transaction is open on connection " + std::to_string(id_) +
                                  ": run the statement on the transaction, or end it first");
  }
  throw_over();
}

void Link::throw_over() const {
  throw Error(Code::misuse,
              "used after its end: the transaction was committed, prepared or rolled back, or its connection was given "
              "back to " +
                  pool_.name());
}

const std::shared_ptr<CachedStatement>& Link::prepare(std::uint64_t scope, std::string_view sql, bool runs) {
  const Use use(*this);
  check(scope);
  if (const auto* known = statements_.find(sql)) [[likely]]
    return *known;
  try {
    return prepare_new(sql, runs);
  } catch (const Error& error) {
    report_refused(Category::statement, sql, error);
    throw;
  }
}

const std::shared_ptr<CachedStatement>& Link::prepare_new(std::string_view sql, bool runs) {
  auto placeholders = rewrite_placeholders(sql, pool_.dialect().lexis);
  if (controls_transactions(placeholders.first_word)) {
    throw Error(Code::misuse, placeholders.first_word +
                                  " is not run as a statement: call Connection::begin() and commit(), "
                                  "rollback() or savepoint() of the transaction");
  }
  check_alive();
  auto statement = std::make_shared<CachedStatement>();
  statement->text = sql;
  if (pool_.options().guarded) statement->dangers = find_dangers(sql, pool_.dialect().lexis, Extent::statement);
  if (runs) check_allowed(statement->dangers, sql);
  try {
    statement->prepared = session_->prepare(placeholders.sql, statement_deadline());
  } catch (const Error& error) {
    heed(error);
    if (in_transaction()) doom_after(error);
    throw;
  }
  statement->parameters = statement->prepared->parameter_count();
  if (statement->parameters != placeholders.count) {
    throw Error(Code::statement_invalid,
                "the engine counts " + std::to_string(statement->parameters) + " parameters where the statement has " +
                    std::to_string(placeholders.count) + " of the form ?: write every parameter as a bare ? in " +
                    base::quoted(sql));
  }
  return statements_.add(std::move(statement));
}

base::Deadline Link::statement_deadline() const {
  if (statement_timeout_ == kNoTimeout) return transaction_deadline_;
  const auto own = base::later(pool_.runtime().now(), statement_timeout_);
  return std::min(base::Deadline(own), transaction_deadline_);
}

void Link::start(CachedStatement& statement, const Values& values) {
  if (statement.prepared == nullptr) throw_over();
  try {
    if (values.size() != statement.parameters) throw_wrong_count(statement.parameters, values.size(), statement.text);
    check_values(values);
    check_allowed(statement.dangers, statement.text);
    check_alive();
  } catch (const Error& error) {
    report_refused(Category::statement, statement.text, error);
    throw;
  }
  const auto deadline = statement_deadline();
  observe_cursor(Category::statement, statement.text, values);
  cursor_ = {statement.prepared.get(), ++last_execution_, 0};
  running_ = statement.text;
  rows_ = 0;
  try {
    statement.prepared->start(values.get(), deadline);
  } catch (const Error& error) {
    failed(&error);
    throw;
  } catch (...) {
    failed(nullptr);
    throw;
  }
}

std::int64_t Link::execute(std::uint64_t scope, CachedStatement& statement, const Values& values) {
  const Use use(*this);
  check(scope);
  start(statement, values);
  try {
    if (statement.prepared->column_count() != 0) {
      while (statement.prepared->next()) {
      }
    }
    rows_ = statement.prepared->changes();
  } catch (const Error& error) {
    failed(&error);
    throw;
  } catch (...) {
    failed(nullptr);
    throw;
  }
  end_cursor();
  return rows_;
}

Rows Link::query(std::uint64_t scope, CachedStatement& statement, const Values& values) {
  const Use use(*this);
  check(scope);
  start(statement, values);
  return Rows(*this, cursor_);
}

bool Link::next() {
  const Use use(*this);
  try {
    if (cursor_.prepared->next()) [[likely]] {
      // Only now: a statement that was made for an older schema is prepared anew when it begins to run.
      if (rows_++ == 0) cursor_.columns = cursor_.prepared->column_count();
      return true;
    }
  } catch (const Error& error) {
    failed(&error);
    throw;
  } catch (...) {
    failed(nullptr);
    throw;
  }
  if (cursor_.prepared->column_count() == 0) rows_ = cursor_.prepared->changes();
  end_cursor();
  return false;
}

void Link::finish(std::uint64_t execution) noexcept {
  if (cursor_.execution == execution) end_cursor();
}

// Of a statement that never reached the engine, or that it could not plan.
void Link::report_refused(Category category, std::string_view sql, const Error& error) {
  if (auto* const observer = pool_.observer()) {
    Observation refused(*this);
    refused.begin(*observer, category, transaction_id(), sql, std::span<const ValueView>(), false);
    refused.end(0, &error);
  }
}

// Who opened the database or began the transaction to read only, and writes, would be refused by the primary as well.
void Link::heed(const Error& error) noexcept {
  if (error.code() == Code::read_only_server && !reads_only_ && !pool_.options().read_only) pass_over();
}

void Link::pass_over() noexcept {
  is_refused_ = true;
  pool_.pass_over(generation_);
}

void Link::failed(const Error* error) noexcept {
  if (error != nullptr) heed(*error);
  if (in_transaction()) {
    error != nullptr ? doom_after(*error) : doom(Error(Code::internal, "an exception other than Error"));
  }
  if (error == nullptr) broken_ = true;
  end_cursor(error);
}

void Link::end_cursor(const Error* error) noexcept {
  if (cursor_.execution == 0) return;
  if (cursor_.prepared != nullptr) {
    cursor_.prepared->finish();
    if (in_transaction()) {
      if (auto unread = session_->take_unread_failure()) doom_after(*unread);
    }
  }
  cursor_ = {};
  end_observation(error);
}

void Link::drop_running() noexcept {
  if (bulk_ == nullptr) return end_cursor();
  bulk_.reset();
  const auto why = std::exchange(bulk_failure_, {}).value_or(Error(Code::misuse, bulk_text_ + " was not finished"));
  end_cursor(&why);
}

void Link::script(std::uint64_t scope, std::string_view sql) {
  const Use use(*this);
  check(scope);
  try {
    rewrite_placeholders(sql, pool_.dialect().lexis);  // Refuses what is not text, and what does not end.
    check_alive();
    if (pool_.options().guarded) check_allowed(find_dangers(sql, pool_.dialect().lexis), sql);
  } catch (const Error& error) {
    report_refused(Category::script, sql, error);
    throw;
  }
  try {
    observed(Category::script, transaction_id(), sql, [&] { session_->run_script(sql, statement_deadline()); });
  } catch (const Error& error) {
    if (in_transaction()) doom_after(error);
    throw;
  }
}

void Link::set_statement_timeout(std::uint64_t scope, base::Duration timeout) {
  if (scope != lease_) throw_misuse(scope);
  if (timeout <= base::Duration::zero()) {
    throw Error(Code::invalid_argument, "a statement timeout of " + base::format_duration(timeout) +
                                            ": it must be longer than 0, or kNoTimeout");
  }
  statement_timeout_ = timeout;
}

}  // namespace tidelock::sql
