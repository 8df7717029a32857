#include "tidelock/sql/backends/postgres/prepared.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/postgres/codec.h"
#include "tidelock/sql/backends/postgres/oids.h"
#include "tidelock/sql/backends/postgres/session.h"

namespace tidelock::sql::postgres {
namespace {

// Rows that are read and dropped before the server is asked to make no more of them.
constexpr int kDroppedMost = 1000;

constexpr const char* kGuard = "tidelock_prepare";

constexpr std::size_t kParametersMost = 65'535;  // Of the protocol.
constexpr std::size_t kPartBytesMost = 32;       // What a message has beside each value, and once for itself.

// Errors that other types of parameters may cure: no such operator or function for these types, and the like.
bool concerns_types(const Error& error) {
  const auto state = error.native() ? error.native()->state : std::string();
  return state == "42883" || state == "42725" || state == "42P18" || state == "42804" || state == "42846" ||
         state == "42P08" || state == "22P02" || state == "42P22";
}

// Of a parameter that the server was not asked about: its text becomes what the server takes it for, but bytes are
// bytes.
Oid type_unasked(const ValueView& value) { return std::holds_alternative<BlobView>(value) ? kBytea : 0; }

bool takes_any_text(Oid type) { return type == kText || type == kUnknown || type == kVarchar || type == kBpchar; }

}  // namespace

PostgresPrepared::PostgresPrepared(PostgresSession& session, std::string_view sql, base::Deadline deadline)
    : session_(session), sql_(sql), effects_(effects(sql)), parameter_count_(count_parameters(sql)) {
  if (parameter_count_ > kParametersMost) {
    throw Error(Code::too_large, "a statement of PostgreSQL takes 65,535 values at most, and this one has " +
                                     std::to_string(parameter_count_) + ": " + about());
  }
  if (session_.is_pooled()) return;  // Each statement may meet another session.
  session_.start(deadline);
  auto error = try_parse({});
  if (!error) return;
  if (parameter_count_ == 0 || !concerns_types(*error)) throw session_.outcome(*error, false);
  refused_ = std::move(error);
}

PostgresPrepared::~PostgresPrepared() {
  if (!name_.empty()) session_.retire(std::move(name_));
}

std::string PostgresPrepared::about() const { return base::quoted(sql_); }

// Prepares and describes in one round trip. In a transaction a refusal would be the end of it, so that there a
// savepoint stands before a statement that may be prepared once more. What the server says is returned.
std::optional<Error> PostgresPrepared::try_parse(const std::vector<Oid>& types) {
  auto& client = session_.client();
  auto* const connection = client.get();
  const bool guarded = parameter_count_ > 0 && session_.begun();
  auto name = session_.next_name();
  const auto send = [&](const std::string& sql) {
    client.sent(PQsendQueryParams(connection, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0));
  };
  PQenterPipelineMode(connection);
  for (const auto& retired : session_.take_retired()) send("deallocate " + quoted_name(retired));
  if (guarded) send(std::string("savepoint ") + kGuard);
  client.sent(PQsendPrepare(connection, name.c_str(), sql_.c_str(), static_cast<int>(types.size()),
                            types.empty() ? nullptr : types.data()));
  client.sent(PQsendDescribePrepared(connection, name.c_str()));
  if (guarded) send(std::string("release savepoint ") + kGuard);
  client.sent(PQpipelineSync(connection));

  std::optional<Error> failure;
  ResultHandle description;
  for (;;) {
    auto result = client.next_result();
    if (result == nullptr) continue;
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_FATAL_ERROR && !failure) failure = client.error(result.get(), about());
    if (status == PGRES_COMMAND_OK && (PQnparams(result.get()) > 0 || PQnfields(result.get()) > 0)) {
      description = std::move(result);
    }
  }
  PQexitPipelineMode(connection);
  if (failure) {
    if (guarded && client.has_failed_transaction()) {
      client.run(std::string("rollback to savepoint ") + kGuard + "; release savepoint " + kGuard, about());
    }
    return failure;
  }
  if (!name_.empty()) session_.retire(std::move(name_));
  name_ = std::move(name);
  describe(description.get());
  return std::nullopt;
}

void PostgresPrepared::describe(const PGresult* result) {
  types_.clear();
  hinted_.assign(static_cast<std::size_t>(PQnparams(result)), false);
  columns_.clear();
  binary_ = true;
  for (int i = 0; i < PQnparams(result); ++i) types_.push_back(PQparamtype(result, i));
  for (int i = 0; i < PQnfields(result); ++i) {
    columns_.push_back({.name = PQfname(result, i), .type = PQftype(result, i)});
    binary_ = binary_ && has_binary_form(columns_.back().type);
  }
}

// Whether the value is sent as what its parameter is now known to be: there is nothing better to say of it.
bool PostgresPrepared::is_settled(std::size_t i, const ValueView& value, Oid hint) const {
  if (hint == types_[i]) [[likely]]
    return true;
  const bool is_null = std::holds_alternative<Null>(value);
  const bool same = hint != 0 && type_hint(value) == kInt8 && types_[i] == kInt4;
  return hinted_[i] ? is_null || same : hint == 0 || same || !takes_any_text(types_[i]);
}

bool PostgresPrepared::are_settled(std::span<const ValueView> values) const {
  if (refused_) return false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_settled(i, values[i], type_hint(values[i]))) return false;
  }
  return true;
}

// Types for the parameters: as the server found them where that says more than text, else those of the values, whole
// numbers in `whole`. Empty when there is nothing to try.
std::vector<Oid> PostgresPrepared::hints(std::span<const ValueView> values, Oid whole) const {
  std::vector<Oid> found;
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto hint = type_hint(values[i]);
    if (hint == kInt8) hint = whole;
    const bool settled = !refused_ && is_settled(i, values[i], hint);
    if (settled) continue;
    if (found.empty()) found = refused_ ? std::vector<Oid>(values.size()) : types_;
    found[i] = hint;
  }
  return found;
}

// Prepares once more where the server took a parameter for text for want of anything better, or refused. Functions and
// operators of integers often take the shorter ones only: date + 1, left(name, 2).
void PostgresPrepared::fit_types(std::span<const ValueView> values) {
  if (as_text_ || are_settled(values)) return;
  for (const auto whole : {kInt8, kInt4}) {
    const auto types = hints(values, whole);
    if (types.empty()) return;
    const auto hinted_before = hinted_;
    const auto types_before = types_;
    const auto error = try_parse(types);
    if (!error) {
      for (std::size_t i = 0; i < types.size(); ++i) {
        const bool kept = i < hinted_before.size() && types[i] == types_before[i];
        hinted_[i] = kept ? hinted_before[i] : types[i] != 0;
      }
      return refused_.reset();
    }
    if (!session_.client().is_good() || !concerns_types(*error)) throw session_.outcome(*error, false);
  }
  if (refused_) throw session_.outcome(*refused_, false);  // The first refusal is the one to tell.
  as_text_ = true;                                         // As text it is right: where name = 7.
}

void PostgresPrepared::encode(std::span<const ValueView> values) {
  auto& to = parameters_;
  to.bytes.clear();
  to.values.resize(values.size());
  to.lengths.resize(values.size());
  to.formats.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    to.formats[i] = 0;
    if (std::holds_alternative<Null>(values[i])) continue;
    const auto begin = to.bytes.size();
    if (begin + bytes_of(values[i]) + (i + 2) * kPartBytesMost > kBytesMost) throw_too_large(about());
    const auto type = i < types_.size() ? types_[i] : type_unasked(values[i]);
    to.formats[i] = append_parameter(to.bytes, values[i], type) == Form::binary ? 1 : 0;
    to.lengths[i] = static_cast<int>(to.bytes.size() - begin);
    to.bytes += '\0';  // Text ends so.
  }
  const char* next = to.bytes.data();  // Only now: the bytes stay where they are.
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool is_null = std::holds_alternative<Null>(values[i]);
    to.values[i] = is_null ? nullptr : next;
    if (!is_null) next += to.lengths[i] + 1;
  }
}

void PostgresPrepared::send(std::span<const ValueView> values) {
  auto& client = session_.client();
  const auto count = static_cast<int>(values.size());
  const auto& from = parameters_;
  if (name_.empty()) {
    binary_ = false;
    std::vector<Oid> types;
    for (const auto& value : values) types.push_back(type_unasked(value));
    const auto settings = session_.settings_for(effects_);
    if (!settings.empty()) client.send_first(settings);
    client.sent(PQsendQueryParams(client.get(), sql_.c_str(), count, types.data(), from.values.data(),
                                  from.lengths.data(), from.formats.data(), 0));
    if (!settings.empty()) {
      running_ = true;
      client.end_following();
      client.start_following(about());
    }
  } else {
    client.sent(PQsendQueryPrepared(client.get(), name_.c_str(), count, from.values.data(), from.lengths.data(),
                                    from.formats.data(), binary_ ? 1 : 0));
  }
  running_ = true;
  // What changes rows and commits itself may fail behind the last of them: none is given out before it has not.
  const bool whole = effects_.changes_rows && !session_.begun();
  if (!whole && (!columns_.empty() || name_.empty())) PQsetSingleRowMode(client.get());
}

void PostgresPrepared::start(std::span<const ValueView> values, base::Deadline deadline) {
  session_.note(effects_);
  changes_ = 0;
  if (!session_.begun() && effects_.may_write) session_.require_connected(sql_);
  session_.start(deadline);
  for (bool first = true;; first = false) {
    running_ = false;
    try {
      if (stale_) prepare_again();
      return execute(values);
    } catch (const Error& error) {
      const bool outdated = is_outdated(error);
      stale_ = stale_ || outdated;
      if (!outdated || !has_done_nothing(error) || !first) {
        throw running_ ? outcome(error) : session_.outcome(error, false);
      }
    }
  }
}

// It failed by what the server found when it was prepared: the schema may have changed since.
bool PostgresPrepared::is_outdated(const Error& error) const {
  if (name_.empty() || !running_ || !session_.client().is_good()) return false;
  return concerns_types(error) || (error.native() && error.native()->state == kOtherColumns);
}

// So that it may be run once more by itself: it was refused before it began, or it is rolled back as a whole. A
// procedure may have committed by the time it fails, and who knows what a function does.
bool PostgresPrepared::has_done_nothing(const Error& error) const {
  if (session_.begun()) return false;
  return error.code() == Code::serialization_failure || (effects_.is_about_rows && !effects_.may_leave_state);
}

void PostgresPrepared::prepare_again() {
  as_text_ = false;
  stale_ = false;
  auto error = try_parse({});
  if (!error) return;
  if (parameter_count_ == 0 || !concerns_types(*error)) {
    stale_ = true;
    throw session_.outcome(*error, false);
  }
  refused_ = std::move(error);
}

void PostgresPrepared::execute(std::span<const ValueView> values) {
  if (!session_.is_pooled()) fit_types(values);
  encode(values);
  send(values);
  take_first();
}

Error PostgresPrepared::outcome(const Error& error) const {
  const auto met = session_.outcome(error, effects_.may_write);
  return effects_.may_commit && !session_.begun() ? failed_in_parts(met) : met;
}

void PostgresPrepared::fail(const PGresult* result) { throw session_.client().error(result, about()); }

// The first row or all of them, or the end of a statement without rows.
void PostgresPrepared::take_first() {
  auto& client = session_.client();
  rows_ = client.next_result();
  row_ = 0;
  ahead_ = false;
  switch (PQresultStatus(rows_.get())) {
    case PGRES_SINGLE_TUPLE:
      ahead_ = true;
      if (name_.empty()) describe(rows_.get());
      if (name_.empty()) binary_ = false;
      return;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
      if (name_.empty()) describe(rows_.get());
      if (name_.empty()) binary_ = false;
      take_count();
      if (const auto failed = client.drop_results()) fail(failed.get());
      running_ = false;
      ahead_ = PQntuples(rows_.get()) > 0;
      return;
    case PGRES_EMPTY_QUERY:
      client.drop_results();
      running_ = false;
      throw Error(Code::statement_invalid, "there is no statement in the text: " + about());
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      client.give_up();
      throw Error(Code::unsupported, "COPY is not run as a statement: use bulk(), or a query: " + about());
    default: {
      const auto error = client.error(rows_.get(), about());
      client.drop_results();
      throw error;
    }
  }
}

// A select has a count as well: of rows that it only read.
void PostgresPrepared::take_count() {
  if (std::string_view(PQcmdStatus(rows_.get())).starts_with("SELECT")) return;
  const std::string_view count = PQcmdTuples(rows_.get());
  std::from_chars(count.data(), count.data() + count.size(), changes_);
}

bool PostgresPrepared::next() {
  if (std::exchange(ahead_, false)) return true;
  if (row_ + 1 < PQntuples(rows_.get())) return ++row_, true;
  if (!running_) return false;
  try {
    session_.client().look();
    rows_ = session_.client().next_result();
    row_ = 0;
    if (PQresultStatus(rows_.get()) == PGRES_SINGLE_TUPLE) [[likely]]
      return true;
    if (PQresultStatus(rows_.get()) == PGRES_FATAL_ERROR) fail(rows_.get());
    take_count();
    if (const auto failed = session_.client().drop_results()) fail(failed.get());
    running_ = false;
    return false;
  } catch (const Error& error) {
    throw outcome(error);
  }
}

ValueView PostgresPrepared::value(std::size_t column) {
  const auto number = static_cast<int>(column);
  const auto length = static_cast<std::size_t>(PQgetlength(rows_.get(), row_, number));
  if (length == 0 && PQgetisnull(rows_.get(), row_, number) == 1) return Null{};
  const std::string_view bytes(PQgetvalue(rows_.get(), row_, number), length);
  auto& known = columns_[column];
  return binary_ ? decode_binary(known.type, bytes, known.scratch) : decode_text(known.type, bytes, known.scratch);
}

// Rows that nobody reads are dropped as they come. Outside a transaction the server is asked to end the statement when
// there are many; inside one that would be the end of the transaction.
void PostgresPrepared::finish() noexcept {
  rows_.reset();
  if (!running_) return;
  running_ = false;
  auto& client = session_.client();
  if (!client.is_good()) return;
  try {
    int dropped = 0;
    ResultHandle failure;
    while (auto result = client.next_result()) {
      if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR) failure = std::move(result);
      if (++dropped == kDroppedMost && !session_.begun() && !effects_.may_write) client.abandon();
    }
    client.drop_results();
    if (failure != nullptr && session_.begun()) session_.note_unread_failure(client.error(failure.get(), about()));
  } catch (const std::exception&) {
    client.give_up();
  }
}

}  // namespace tidelock::sql::postgres
