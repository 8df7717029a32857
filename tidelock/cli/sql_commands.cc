#include "tidelock/cli/sql_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/advice.h"
#include "tidelock/cli/delete_progress.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/input.h"
#include "tidelock/cli/interruption.h"
#include "tidelock/cli/output.h"
#include "tidelock/cli/row_printer.h"
#include "tidelock/sql/delete_in_chunks.h"
#include "tidelock/sql/placeholders.h"
#include "tidelock/sql/split.h"
#include "tidelock/toolkit/toolkit.h"

namespace tidelock::cli {
namespace {

using Statements = std::vector<std::string_view>;

// Runs a command, lets its errors say what to do next, and ends as a signal wants it.
template <typename Run>
Outcome interruptible(base::Runtime& runtime, Run run) {
  Interruption interruption(runtime);
  const auto ended_by = [&]() -> Outcome {
    const auto signal = interruption.signal();
    return signal ? Outcome{number(Exit::by_signal) + *signal, signal} : Outcome{};
  };
  try {
    return advised(sql_advice, [&] {
      run(interruption);
      return ended_by();
    });
  } catch (const Error& error) {
    if (error.code() == Code::cancelled && interruption.signal()) return ended_by();
    throw;
  }
}

void check_not_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(Code::cancelled, "stopped by a signal");
}

std::shared_ptr<sql::Database> open_database(Toolkit& toolkit, const SqlOpen& open, const std::stop_token& stop) {
  sql::DatabaseOptions options{.max_connections = 2, .read_only = open.read_only, .guarded = true};
  options.must_exist = !open.create && !open.read_only && open.url.find(":memory:") == std::string::npos;
  if (open.timeout) options.statement_timeout = *open.timeout;
  try {
    return toolkit.database(open.url, options, {}, stop);
  } catch (const Error& error) {  // --timeout is of a statement: a server that lets nobody in has a time of its own.
    if (error.code() != Code::timeout) throw;
    throw AdvisedError(error, "look whether the server answers, or give a longer connect_timeout= in the URL");
  }
}

// To its end. Error: cancelled.
std::string standard_input(base::Runtime& runtime, const std::stop_token& stop) {
  Input input(runtime);
  std::string text;
  std::array<std::byte, 65536> part;
  while (const auto size = input.read(part, stop)) text.append(reinterpret_cast<const char*>(part.data()), size);
  check_not_stopped(stop);
  return text;
}

void refuse_dangers(std::string_view statement, const sql::Database& database, const SqlOpen& open) {
  if (!database.options().guarded) return;
  for (const auto& danger : sql::find_dangers(statement, database.dialect().lexis, sql::Extent::statement)) {
    if (open.allow.has(danger.rule)) continue;
    throw AdvisedError(Error(Code::permission_denied,
                             fmt::format("{} is refused: {}", danger.what, base::quoted(statement.substr(danger.at)))),
                       fmt::format("nothing was run; if that is meant, add --allow {}", sql::name(danger.rule)));
  }
}

// All of them, before the first is run. What begins with an open-ended routine is taken for one statement.
Statements checked_statements(std::string_view text, const sql::Database& database, const SqlOpen& open) {
  const auto& lexis = database.dialect().lexis;
  auto statements = sql::split_statements(text, lexis);
  if (!statements.empty() && sql::is_open_ended(statements.front(), lexis)) statements = {text};
  if (statements.empty()) throw UsageError("there is no statement in the SQL", "see `tidelock sql --help`");
  for (const auto& statement : statements) {
    const auto first = sql::rewrite_placeholders(statement, lexis).first_word;
    if (sql::controls_transactions(first)) {
      throw UsageError(fmt::format("{} is not run as a statement", first),
                       "leave it out, and use --transaction to run all the statements in one");
    }
    refuse_dangers(statement, database, open);
  }
  return statements;
}

// A statement of which people want to hear that it changed nothing. In front of one without rows, WITH belongs to it.
bool is_about_rows(std::string_view statement, const sql::Lexis& lexis) {
  const auto first = sql::Lexer(statement, lexis).next();
  const auto names = {"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH"};
  return std::ranges::any_of(names, [&](const auto* name) { return first->is(name); });
}

void run_statement(sql::Executor& on, std::string_view statement, RowFormat format, std::ostream& out) {
  auto rows = on.query(statement);
  if (rows.column_count() > 0) return print_rows(rows, format, out);
  const auto changes = rows.changes();
  while (rows.next()) {
  }
  const bool silent = format == RowFormat::table && changes == 0 && !is_about_rows(statement, on.dialect().lexis);
  if (!silent) print_changes(changes, format, out);
}

// delete from TABLE where CONDITION
struct DeleteStatement {
  std::string_view table;
  std::string_view condition;
};

DeleteStatement read_delete(std::string_view text, const sql::Lexis& lexis) {
  const auto refuse = [&](std::string_view why) {
    throw UsageError(fmt::format("{} {}", base::quoted(text), why),
                     "write it as in --delete-in-chunks \"delete from orders where year < 2020\"");
  };
  const auto statements = sql::split_statements(text, lexis);
  if (statements.size() != 1) refuse("is not one statement");
  const auto statement = statements.front();
  sql::Lexer lexer(statement, lexis);
  auto token = lexer.next();
  if (token->is("DELETE")) {
    token = lexer.next();
    if (!token || !token->is("FROM")) refuse("does not say from which table");
    token = lexer.next();
  }
  if (!token) refuse("does not say from which table");
  const auto begin = token->begin;
  auto end = begin;
  for (; token && !token->is("WHERE"); token = lexer.next()) end = token->end();
  if (!token) refuse("has no WHERE; to delete all rows write where true, and --allow delete_without_where");
  return {statement.substr(begin, end - begin), statement.substr(token->end())};
}

}  // namespace

Outcome run_sql(const SqlRun& options, Outside outside) {
  return interruptible(outside.runtime, [&](Interruption& interruption) {
    const auto text = options.text == "-" ? standard_input(outside.runtime, interruption.token()) : options.text;
    Toolkit toolkit(outside.runtime, outside.files);
    const auto database = open_database(toolkit, options.open, interruption.token());
    const auto statements = checked_statements(text, *database, options.open);
    auto connection = database->connect(base::Deadline::never(), interruption.token());
    const auto permission = sql::allow(connection, options.open.allow);
    std::optional<sql::Transaction> transaction;
    if (options.transaction) {
      transaction.emplace(connection.begin({.stop = interruption.token()}));
    } else {
      interruption.at_signal([canceller = connection.canceller()] { canceller.cancel(); });
    }
    auto& on = transaction ? static_cast<sql::Executor&>(*transaction) : connection;
    for (const auto& statement : statements) {
      check_not_stopped(interruption.token());
      run_statement(on, statement, options.format, outside.out);
      check_output(outside.out.flush());
    }
    if (transaction) transaction->commit();
    interruption.at_signal(nullptr);
  });
}

Outcome delete_rows(const SqlDelete& options, Outside outside) {
  return interruptible(outside.runtime, [&](Interruption& interruption) {
    Toolkit toolkit(outside.runtime, outside.files);
    const auto database = open_database(toolkit, options.open, interruption.token());
    const auto statement = read_delete(options.statement, database->dialect().lexis);
    refuse_dangers(fmt::format("delete from {} where{}", statement.table, statement.condition), *database,
                   options.open);
    DeleteProgressView view(outside, options.open.json);
    try {
      const auto result =
          sql::delete_in_chunks(*database, statement.table, statement.condition,
                                {.chunk_rows = options.chunk_rows,
                                 .rows_per_second = options.rows_per_second,
                                 .key = options.key,
                                 .after = options.after,
                                 .count_first = options.count,
                                 .reads_own_table = options.reads_own_table,
                                 .allow = options.open.allow,
                                 .stop = interruption.token(),
                                 .on_progress = [&](const sql::DeleteProgress& progress) { view.progress(progress); }});
      view.result(result);
    } catch (const Error& error) {
      view.failed();
      if (error.code() != Code::timeout) throw;
      throw AdvisedError(error,
                         "give a longer --timeout, make an index for the condition, or take a smaller --chunk where "
                         "rows were deleted");
    }
  });
}

}  // namespace tidelock::cli
