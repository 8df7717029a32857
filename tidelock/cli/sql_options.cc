#include "tidelock/cli/sql_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {
namespace {

constexpr auto kSeeHelp = "see `tidelock sql --help`";

[[noreturn]] void refuse(const std::string& what) { throw UsageError(what, kSeeHelp); }

template <typename Number>
Number number(const std::string& option, const std::string& text, const char* wanted) {
  Number value{};
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !(value > 0)) {
    throw UsageError(fmt::format("{} {} is not {}", option, base::quoted(text), wanted), "give a number above 0");
  }
  return value;
}

constexpr auto kHelp =
    "Runs one or more statements on any engine and prints their rows. A file that does not exist is not made, unless\n"
    "--create says so, and no database of a server. Rows are printed as they arrive, however many there are.\n"
    "\n"
    "The database is guarded: DROP, TRUNCATE, DELETE and UPDATE without a WHERE that names a column, and code that\n"
    "hides statements are refused unless --allow names the rule: drop, truncate, delete_without_where,\n"
    "update_without_where, dynamic_sql. Nothing of the text is run when a part of it is refused.\n"
    "\n"
    "In a table a null is NULL, and a text that could be taken for one, or for nothing, stands in double quotes. In "
    "CSV\n"
    "a null is nothing and an empty text is \"\". JSON is {\"columns\": [...], \"rows\": [[...], ...]} for each "
    "statement,\n"
    "a line each, and {\"changed\": N} for one without rows.\n"
    "\n"
    "--delete-in-chunks deletes any number of rows in small transactions, in the order of the primary key, at --rate\n"
    "rows a second at most. What somebody else has locked, and a server that is out of reach, is waited for, about a\n"
    "minute; a statement that takes longer than --timeout by its own work wants a smaller --chunk. Stopped or\n"
    "killed, it is simply begun again; --after takes the position that it printed last and spares looking again at\n"
    "what lies before.\n"
    "\n"
    "Examples:\n"
    "  tidelock sql sqlite:shop.db \"select * from orders limit 5\"\n"
    "  tidelock sql duckdb:market.duckdb --format csv \"from bar where day >= '2024-01-01'\" > bars.csv\n"
    "  tidelock sql sqlite:shop.db --allow drop \"drop table old_orders\"\n"
    "  tidelock sql sqlite:shop.db --create - < schema.sql\n"
    "  tidelock sql postgres://app@db.example/shop \"select version()\"     # or mariadb://, also mysql://\n"
    "  tidelock sql sqlite:shop.db --read-only --timeout 5s --json \"select count(*) from orders\" | jq '.rows[0][0]'\n"
    "  tidelock sql sqlite:shop.db --rate 5000 --count --delete-in-chunks \"delete from orders where year < 2020\"";

}  // namespace

void SqlOptions::add_to(CLI::App& root) {
  app_ = root.add_subcommand("sql", "Query a database; delete many rows without blocking others");
  app_->footer(kHelp);
  app_->group("Commands");
  app_->add_option("URL", url_, "The database: sqlite:shop.db, duckdb:market.duckdb, postgres://user@host/shop, …")
      ->option_text(" ");
  app_->add_option(
          "SQL", text_,
          "Statements separated by ';'; - reads them from the standard input. Left out with --delete-in-chunks")
      ->option_text(" ");
  app_->add_option("--format", format_, "table (default), csv or json")->option_text("FORMAT");
  app_->add_flag("--json", json_, "Print JSON, also for errors and progress");
  app_->add_option("--allow", allow_, "Let the guard pass what this rule is about; may be repeated")
      ->option_text("RULE")
      ->allow_extra_args(false);
  app_->add_flag("--read-only", read_only_, "Refuse every write");
  app_->add_option("--timeout", timeout_, "End a statement that takes longer")->option_text("TIME");
  app_->add_flag("--create", create_, "Make the database when it does not exist, a file or a server's");
  app_->add_flag("--transaction", transaction_, "Run all the statements in one transaction");
  app_->add_option("--delete-in-chunks", statement_, "Delete what \"delete from TABLE where CONDITION\" would")
      ->option_text("SQL");
  app_->add_option("--chunk", chunk_, "Rows of one transaction (default 10000)")->option_text("N");
  app_->add_option("--rate", rate_, "Rows a second, at most (default: as fast as it goes)")->option_text("N");
  app_->add_option("--key", key_, "Column to go by, in place of the primary key; may be repeated")
      ->option_text("COLUMN")
      ->allow_extra_args(false);
  app_->add_flag("--reads-own-table", reads_own_table_,
                 "The condition may read TABLE itself: it stays right while rows go");
  app_->add_option("--after", after_, "Go on after this position of an earlier run")->option_text("POSITION");
  app_->add_flag("--count", count_, "Count the rows first, to say how far it is");
}

bool SqlOptions::typed(const char* option) const { return app_->count(option) > 0; }

SqlOpen SqlOptions::open() const {
  if (url_.empty()) refuse("no URL of a database is given");
  SqlOpen open{.url = url_, .allow = {}, .timeout = {}, .read_only = read_only_, .create = create_, .json = json_};
  for (const auto& rule : allow_) {
    try {
      open.allow = open.allow | sql::rule_named(rule);
    } catch (const Error& error) {
      refuse("--allow: " + error.message());
    }
  }
  if (typed("--timeout")) {
    try {
      open.timeout = base::parse_duration(timeout_);
    } catch (const Error& error) {
      refuse("--timeout: " + error.message());
    }
    if (*open.timeout <= base::Duration::zero()) refuse("--timeout 0s leaves no time for anything");
  }
  if (read_only_ && create_) refuse("--read-only and --create exclude each other");
  return open;
}

SqlRun SqlOptions::run() const {
  SqlRun run{.open = open(), .text = text_, .format = RowFormat::table, .transaction = transaction_};
  if (typed("--delete-in-chunks")) refuse("--delete-in-chunks is empty");
  if (text_.empty()) refuse("no SQL is given");
  for (const auto* option : {"--chunk", "--rate", "--key", "--reads-own-table", "--after", "--count"}) {
    if (typed(option)) refuse(fmt::format("{} belongs to --delete-in-chunks", option));
  }
  const auto format = row_format_named(format_);
  if (!format) refuse(fmt::format("--format {} is none of table, csv and json", base::quoted(format_)));
  if (json_ && typed("--format") && *format != RowFormat::json) refuse("--json and --format name two formats");
  run.format = json_ ? RowFormat::json : *format;
  return run;
}

SqlDelete SqlOptions::deletion() const {
  SqlDelete deletion{.open = open(),
                     .statement = statement_,
                     .rows_per_second = {},
                     .key = key_,
                     .after = after_,
                     .count = count_,
                     .reads_own_table = reads_own_table_};
  if (!text_.empty()) refuse("--delete-in-chunks takes the place of SQL");
  for (const auto* option : {"--format", "--read-only", "--create", "--transaction"}) {
    if (typed(option)) refuse(fmt::format("{} does not go with --delete-in-chunks", option));
  }
  if (typed("--chunk")) deletion.chunk_rows = number<std::int64_t>("--chunk", chunk_, "a number of rows");
  if (typed("--rate")) deletion.rows_per_second = number<double>("--rate", rate_, "a number of rows a second");
  return deletion;
}

}  // namespace tidelock::cli
