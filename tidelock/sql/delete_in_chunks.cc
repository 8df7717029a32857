#include "tidelock/sql/delete_in_chunks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/guard.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/reads_table.h"
#include "tidelock/sql/row_key.h"
#include "tidelock/sql/transact.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;

using Key = std::vector<Value>;

// The condition in brackets, on a line of its own so that a comment at its end hides nothing.
std::string checked_condition(std::string_view condition, const Dialect& dialect) {
  const auto refuse = [&](std::string_view why) {
    throw Error(Code::statement_invalid,
                fmt::format("{} is no condition of rows to delete: {}", base::quoted(condition), why));
  };
  std::int64_t depth = 0;
  bool is_empty = true;
  Lexer lexer(condition, dialect.lexis);
  while (const auto token = lexer.next()) {
    is_empty = false;
    if (token->is(';')) refuse("it holds a semicolon");
    depth += token->is('(') ? 1 : token->is(')') ? -1 : 0;
    if (depth < 0) break;
  }
  if (is_empty) refuse("it is empty; to delete all rows, write true");
  if (depth != 0) refuse("its brackets do not match");
  if (lexer.executable_comments() != 0) refuse("it holds a comment that a server may execute");
  return fmt::format("({}\n)", condition);
}

void check(const DeleteOptions& options) {
  if (options.chunk_rows < 1) throw Error(Code::invalid_argument, "a chunk of rows to delete must be 1 or more");
  const auto rate = options.rows_per_second;
  if (rate && !(*rate > 0 && std::isfinite(*rate))) {
    throw Error(Code::invalid_argument, fmt::format("a rate of {} rows a second: it must be more than 0", *rate));
  }
}

// (a, b) >= or <= (?, ?) as every engine can use an index for: a >= ? and (a > ? or b >= ?)
std::string bound(std::span<const std::string> columns, std::span<const Value> key, char sign, bool included,
                  std::vector<ValueView>& values) {
  const auto value = view(key.front());
  values.push_back(value);
  if (columns.size() == 1) return fmt::format("{} {}{} ?", columns.front(), sign, included ? "=" : "");
  auto text = fmt::format("{0} {1}= ? and ({0} {1} ? or ", columns.front(), sign);
  values.push_back(value);
  return text + bound(columns.subspan(1), key.subspan(1), sign, included, values) + ")";
}

struct Chunk {
  std::int64_t deleted = 0;
  std::optional<Key> upper{};  // The key of its last row; empty when there is no key to go by.
  std::string position{};      // The same as text.
};

class Deletion {
 public:
  Deletion(Database& database, std::string_view table, std::string_view condition, const DeleteOptions& options)
      : database_(database),
        options_(options),
        table_(parse_table_name(table, database.dialect())),
        condition_(checked_condition(condition, database.dialect())),
        start_(database.runtime().now()) {
    check(options);
    chunk_rows_ = options.chunk_rows;
    if (const auto rate = options.rows_per_second; rate && *rate < static_cast<double>(chunk_rows_)) {
      chunk_rows_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(*rate));
    }
    for (const auto& value : options.values) values_.push_back(view(value));
    ask_guard(condition);
    if (!options.reads_own_table) refuse_own_table(condition);
    result_.done.position = options.after;
  }

  DeleteResult run() {
    try {
      find_key();
      if (!options_.key.empty()) refuse_null_keys();
      if (options_.count_first) count();
      while (!options_.stop.stop_requested() && chunk()) {
        report();
        if (!keep_rate()) break;
      }
    } catch (const Error& error) {
      if (error.code() != Code::cancelled || !options_.stop.stop_requested()) throw;
    }
    result_.done.elapsed = database_.runtime().now() - start_;
    result_.stopped = options_.stop.stop_requested() && !finished_;
    return std::move(result_);
  }

 private:
  void ask_guard(std::string_view condition) {
    if (!database_.options().guarded || options_.allow.has(Rule::delete_without_where)) return;
    const auto statement = fmt::format("delete from {} where {}", table_.text, condition);
    if (find_dangers(statement, database_.dialect().lexis, Extent::statement).empty()) return;
    throw Error(Code::permission_denied,
                fmt::format("the guard of {} refuses to delete every row of {}: the condition {} names no column; if "
                            "that is meant, allow it for this call: .allow = sql::Rule::delete_without_where, or "
                            "--allow delete_without_where of the program",
                            database_.name(), table_.text, base::quoted(condition)));
  }

  void refuse_own_table(std::string_view condition) const {
    auto table = table_;
    if (database_.dialect().engine == "duckdb") table.schema.clear();  // What stands before a name may be a catalogue.
    if (!reads_table(condition, table, database_.dialect().lexis)) return;
    throw Error(
        Code::statement_invalid,
        fmt::format("the condition {} reads {} itself, which each chunk leaves with fewer rows, so that the next "
                    "one would meet others: put the keys of the rows into a table of their own and delete by "
                    "that; where the condition stays right while rows go, say so: .reads_own_table = true, or "
                    "--reads-own-table of the program",
                    base::quoted(condition), table_.text));
  }

  void find_key() {
    auto connection = connect();
    key_ = find_row_key(connection, table_, options_.key);
    for (const auto& column : key_.columns) order_.push_back(column.text);
    if (options_.after.empty()) return;
    if (key_.columns.empty()) {
      throw Error(Code::invalid_argument, "table " + table_.text + " has no key, and so no position to go on after");
    }
    last_ = key_from_text(options_.after, key_.columns);
  }

  Connection connect() {
    try {
      return database_.connect(base::Deadline::never(), options_.stop);
    } catch (const Error& error) {  // Not a statement that is too slow.
      if (error.code() != Code::timeout) throw;
      throw Error(Code::unavailable, error.message(), error.native().value_or(Error::Native{}));
    }
  }

  // A wait for somebody else's lock is to end as database_locked, which is tried again, before the statement is over
  // its time. What waits before its transaction has begun has no such time.
  std::optional<base::Duration> lock_timeout() const {
    const auto& options = database_.options();
    const auto& dialect = database_.dialect();
    if (!dialect.is_server || !dialect.lock_timeout || options.statement_timeout == kNoTimeout) return std::nullopt;
    const auto patience = std::min(options.busy_timeout, options.statement_timeout / 2);
    const base::Duration step = dialect.engine == "mariadb" ? 1s : 1ms;  // A part of one would count as a whole.
    return patience - patience % step;
  }
  // In a transaction a stop is heard. Read-only where beginning one takes the lock of all writers otherwise; elsewhere
  // a condition may call what writes, such as a sequence. It is always rolled back.
  Transaction begin_reading(Connection& connection) {
    return connection.begin(
        {.read_only = database_.dialect().one_writer, .stop = options_.stop, .lock_timeout = lock_timeout()});
  }
  Transaction begin_writing(Connection& connection) {
    return connection.begin({.stop = options_.stop, .lock_timeout = lock_timeout()});
  }

  // The first row of a query; empty when there is none.
  static std::optional<Key> first_row(Transaction& transaction, const std::string& sql,
                                      const std::vector<ValueView>& values) {
    auto rows = transaction.query_values(sql, values);
    if (!rows.next()) return std::nullopt;
    Key row;
    for (std::size_t i = 0; i < rows.row().size(); ++i) row.push_back(to_value(rows.row()[i]));
    return row;
  }
  std::optional<Key> first_row(Connection& connection, const std::string& sql, const std::vector<ValueView>& values) {
    auto transaction = begin_reading(connection);
    return first_row(transaction, sql, values);
  }

  // They come neither before nor after another key, and would be passed over; also behind a position.
  void refuse_null_keys() {
    const auto sql = fmt::format("select 1 from {} where {} and ({} is null) limit 1", table_.text, condition_,
                                 fmt::join(order_, " is null or "));
    auto connection = connect();
    if (!first_row(connection, sql, values_)) return;
    throw Error(Code::invalid_argument,
                fmt::format("rows to delete from {} have no value in their key ({}): name other columns, or delete "
                            "those rows first",
                            table_.text, fmt::join(order_, ", ")));
  }

  std::string rest(std::vector<ValueView>& values) const {
    values = values_;
    auto text = fmt::format(" from {} where {}", table_.text, condition_);
    if (last_) text += " and " + bound(order_, *last_, '>', false, values);
    return text;
  }

  void count() {
    std::vector<ValueView> values;
    const auto sql = "select count(*)" + rest(values);
    auto connection = connect();
    const auto row = first_row(connection, sql, values);
    result_.done.total = std::get<std::int64_t>(row->front());
  }

  // The key of the last row of the next chunk; empty when no row is left. Not in the transaction that deletes.
  std::optional<Key> next_bound(Connection& connection) {
    {
      auto transaction = begin_reading(connection);
      if (auto key = key_at(transaction, "", chunk_rows_ - 1)) return key;
    }
    if (!database_.dialect().is_server) {
      auto transaction = begin_reading(connection);
      return key_at(transaction, " desc", 0);
    }
    // Whether any is left only a server tells that may write: a standby may be behind, and refuses to delete nothing.
    auto transaction = begin_writing(connection);
    std::vector<ValueView> values;
    const auto nothing = "delete" + rest(values) + " and 1 = 0";
    transaction.execute_values(nothing, values);
    return key_at(transaction, " desc", 0);
  }
  std::optional<Key> key_at(Transaction& transaction, std::string_view direction, std::int64_t offset) {
    std::vector<ValueView> values;
    std::vector<std::string_view> selected;
    for (const auto& column : key_.columns) selected.push_back(column.value);
    const auto sql = fmt::format("select {}{} order by {}{} limit 1 offset {}", fmt::join(selected, ", "), rest(values),
                                 fmt::join(order_, fmt::format("{}, ", direction)), direction, offset);
    return first_row(transaction, sql, values);
  }

  // Deletes one chunk, trying again as long as that is right. False when no row was left.
  bool chunk() {
    std::optional<Chunk> done;
    std::optional<Error> too_slow;  // It would take as long again.
    bool is_uncertain = false;
    auto policy = options_.retry;
    // What takes over from a server that deleted is waited for. One that never did was named by mistake.
    policy.patient = policy.patient && result_.done.chunks > 0;
    base::retry(
        database_.runtime(), policy, options_.stop,
        [&] {
          try {
            auto connection = connect();
            done = attempt(connection);
          } catch (const Error& error) {
            if (error.code() != Code::timeout) throw;
            too_slow = error;
          }
        },
        [&](const base::FailedAttempt& failed) {
          const bool is_unknown = failed.error.disposition() == Disposition::unknown;
          if (is_unknown && !std::exchange(is_uncertain, true)) ++result_.uncertain_chunks;
        });
    if (too_slow) throw Error(*too_slow);
    finished_ = !done;
    if (finished_) return false;
    chunk_deleted_ = done->deleted;
    result_.done.deleted += done->deleted;
    ++result_.done.chunks;
    if (done->upper) {
      result_.done.position = std::move(done->position);
      last_ = std::move(done->upper);
    }
    return true;
  }

  // Empty when no row is left.
  std::optional<Chunk> attempt(Connection& connection) {
    Chunk chunk;
    const auto permission = allow(connection, options_.allow);
    if (!key_.columns.empty()) {
      chunk.upper = next_bound(connection);
      if (!chunk.upper) return std::nullopt;
      chunk.position = key_to_text(*chunk.upper);  // Before anything is deleted: a key may be of no use.
    }
    auto transaction = begin_writing(connection);
    chunk.deleted = remove(transaction, chunk.upper);
    transaction.commit_without_position();
    chunk_ended_ = database_.runtime().now();
    if (chunk.upper || chunk.deleted > 0) return chunk;
    if (is_any_left(connection)) throw_rows_stay();
    return std::nullopt;
  }

  // A server may drop from a chunk that it has chosen what somebody else changed meanwhile, and a trigger what it
  // keeps: a chunk of fewer rows, or of none, is not the last for that.
  bool is_any_left(Connection& connection) {
    std::vector<ValueView> values;
    const auto sql = "select 1" + rest(values) + " limit 1";
    return first_row(connection, sql, values).has_value();
  }
  [[noreturn]] void throw_rows_stay() const {
    throw Error(Code::serialization_failure,
                fmt::format("rows of {} that meet the condition do not go: others change them all the time, or a "
                            "trigger, rule or policy of the table keeps them; name columns to go by as the key, and "
                            "what stays is passed over",
                            table_.text));
  }

  std::int64_t remove(Transaction& transaction, const std::optional<Key>& upper) {
    std::vector<ValueView> values;
    auto sql = "delete" + rest(values);
    if (upper) {
      sql += " and " + bound(order_, *upper, '<', true, values);
    } else if (key_.row_id.empty()) {
      sql += fmt::format(" limit {}", chunk_rows_);
    } else {
      sql = fmt::format("delete from {0} where ({1}) in (select {1}{2} limit {3})", table_.text, key_.row_id,
                        rest(values), chunk_rows_);
    }
    return transaction.execute_values(sql, values);
  }

  void report() {
    result_.done.elapsed = database_.runtime().now() - start_;
    if (options_.on_progress) options_.on_progress(result_.done);
  }

  // From the end of a chunk to the beginning of the next: what was not deleted while it counted or waited is not made
  // up for. False when it was stopped, or is through.
  bool keep_rate() {
    if (finished_) return false;
    if (!options_.rows_per_second) return true;
    constexpr double kForEver = 1e9;  // Thirty years; a Duration has an end.
    const std::chrono::duration<double> due(
        std::min(static_cast<double>(chunk_deleted_) / *options_.rows_per_second, kForEver));
    const auto moment = base::later(chunk_ended_, std::chrono::duration_cast<base::Duration>(due));
    return database_.runtime().sleep_until(moment, options_.stop);
  }

  Database& database_;
  const DeleteOptions& options_;
  const TableName table_;
  const std::string condition_;
  const base::Instant start_;
  std::int64_t chunk_rows_ = 0;
  std::vector<ValueView> values_;
  RowKey key_;
  std::vector<std::string> order_;  // The texts of the key's columns.
  std::optional<Key> last_;         // Everything up to here is gone.
  base::Instant chunk_ended_{};
  std::int64_t chunk_deleted_ = 0;
  bool finished_ = false;
  DeleteResult result_;
};

}  // namespace

DeleteResult delete_in_chunks(Database& database, std::string_view table, std::string_view condition,
                              const DeleteOptions& options) {
  return Deletion(database, table, condition, options).run();
}

}  // namespace tidelock::sql
