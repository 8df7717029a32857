#include "tidelock/pipeline/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tidelock/base/duration.h"

namespace tidelock::pipeline {
namespace {

using enum KeyType;

constexpr std::int64_t kHourMs = 60 * 60 * 1000;
constexpr std::int64_t kDayMs = 24 * kHourMs;

constexpr auto kKeys = std::to_array<Key>({
    {.section = "pipeline",
     .name = "name",
     .type = name,
     .required = true,
     .example = R"("market")",
     .meaning = "Names the pipeline in leases, run rows and messages."},
    {.section = "pipeline",
     .name = "timezone",
     .type = text,
     .fallback = "UTC",
     .example = R"("America/New_York")",
     .meaning = "IANA time zone of the schedules and of `$now`, `$today` and `$yesterday`."},
    {.section = "pipeline",
     .name = "work",
     .type = path,
     .fallback = "work",
     .example = R"("work")",
     .meaning =
         "Folder for everything that is made; `{work}` in other keys is its full path. `--work DIR` names another."},
    {.section = "pipeline",
     .name = "state",
     .type = url,
     .fallback = "sqlite:{work}/state.db",
     .example = R"("sqlite:{work}/state.db")",
     .meaning =
         "Where runs, steps, leases, skips and events are kept: a file of SQLite, or a database of PostgreSQL or "
         "MariaDB, which the processes of several machines share."},
    {.section = "pipeline",
     .name = "keep_runs",
     .type = duration,
     .fallback = "90d",
     .min = kHourMs,
     .max = 36500 * kDayMs,
     .example = R"("30d")",
     .meaning =
         "How long a run that is over stays in the state, with its steps, bad rows and events. The newest of each "
         "job stays, `@first` too, and what failed or was stopped: it can be resumed."},

    {.section = "store.NAME",
     .name = "url",
     .type = url,
     .required = true,
     .example = R"("duckdb:{work}/market.db")",
     .meaning = "A database that jobs write. Opened when a run needs it and closed after, so that others can open the "
                "file between runs; waited for while another process has it locked."},
    {.section = "store.NAME",
     .name = "guarded",
     .type = flag,
     .fallback = "false",
     .example = "true",
     .meaning = "Refuse DROP, TRUNCATE, and DELETE and UPDATE without WHERE, in whatever step: see "
                "[deleting.md](deleting.md)."},

    {.section = "replica.NAME",
     .name = "store",
     .type = reference,
     .required = true,
     .choices = "store",
     .example = R"("market")",
     .meaning = "The store that it is a copy of."},
    {.section = "replica.NAME",
     .name = "to",
     .type = path,
     .required = true,
     .example = R"("{work}/replica")",
     .meaning = "Folder of the versions; readers open `current.db` in it."},
    {.section = "replica.NAME",
     .name = "keep",
     .type = integer,
     .fallback = "3",
     .min = 1,
     .max = 1000,
     .example = "3",
     .meaning = "Versions that stay, the newest included."},

    {.section = "group.NAME",
     .name = "slots",
     .type = integer,
     .fallback = "1",
     .min = 1,
     .max = 1000,
     .example = "1",
     .meaning = "How many runs of the group's jobs may go on at once, on all machines that share the state."},

    {.section = "record.NAME",
     .name = "fields",
     .type = texts,
     .required = true,
     .example = R"(["symbol text", "date date", "close decimal?"])",
     .meaning = "Name and type of each column, in any order. Types: `text`, `integer`, `decimal`, `real`, `boolean`, "
                "`date`, `time`, `timestamp`, `uuid`, `json`; with `?` the value may be missing."},
    {.section = "record.NAME",
     .name = "check",
     .type = texts,
     .example = R"(["close > 0"])",
     .meaning = "What must be true of a row; a row of which one is false is skipped, and that is recorded."},

    {.section = "job.NAME",
     .name = "schedule",
     .type = text,
     .example = R"("0 0 * * *")",
     .meaning = "When it runs: five cron fields (minute hour day month weekday), `@hourly`, `@daily`, `@weekly`, "
                "`@monthly`, `@yearly`, `every 5m`, or `@first`: once, before anything else, until it is complete. "
                "Without it the job runs when it is triggered or started by hand."},
    {.section = "job.NAME",
     .name = "missed",
     .type = choice,
     .fallback = "once",
     .choices = "none once all",
     .example = R"("all")",
     .meaning = "What becomes of runs that were due while nothing could start them: recorded only, one run for all of "
                "them, or each."},
    {.section = "job.NAME",
     .name = "store",
     .type = reference,
     .choices = "store",
     .example = R"("market")",
     .meaning = "The database that its steps read and write. Needed by `csv`, `query` and `sql` steps."},
    {.section = "job.NAME",
     .name = "group",
     .type = reference,
     .choices = "group",
     .example = R"("market-stats")",
     .meaning = "Runs of the jobs of one group never overlap, whoever starts them."},
    {.section = "job.NAME",
     .name = "overlap",
     .type = choice,
     .fallback = "wait",
     .choices = "wait skip",
     .example = R"("wait")",
     .meaning = "When its group is busy: wait for its turn, or skip the run and record that."},

    {.section = "job.NAME.step",
     .name = "name",
     .type = name,
     .required = true,
     .example = R"("bars")",
     .meaning = "Unique in the job. A run that goes on after a crash finds its steps by it."},
    {.section = "job.NAME.step",
     .name = "csv",
     .type = file,
     .steps = kCsv,
     .example = R"("data/bars.csv.zst")",
     .meaning = "A chunk step that reads a CSV file with a header line; `.gz` and `.zst` are unpacked."},
    {.section = "job.NAME.step",
     .name = "query",
     .type = file,
     .steps = kQuery,
     .example = R"("sql/day_bars.sql")",
     .meaning = "A chunk step that reads the rows of the one query in this file."},
    {.section = "job.NAME.step",
     .name = "sql",
     .type = file,
     .steps = kSql,
     .example = R"("sql/close_day.sql")",
     .meaning = "A step that runs the statements of this file in one transaction."},
    {.section = "job.NAME.step",
     .name = "allow",
     .type = texts,
     .steps = kSql,
     .example = R"(["truncate"])",
     .meaning = "Rules of the guard that this step may break, where its store is guarded: see "
                "[deleting.md](deleting.md)."},
    {.section = "job.NAME.step",
     .name = "publish",
     .type = reference,
     .choices = "replica",
     .steps = kPublish,
     .example = R"("market")",
     .meaning = "A step that publishes a new version of this replica."},
    {.section = "job.NAME.step",
     .name = "command",
     .type = program,
     .steps = kCommand,
     .example = R"(["market_report", "{work}/replica/current.db"])",
     .meaning = "A step that runs a program and wants it to end with 0. It is looked for beside `tidelock`, then in "
                "`PATH`, and runs in the folder of the pipeline file."},
    {.section = "job.NAME.step",
     .name = "timeout",
     .type = duration,
     .min = 1,
     .max = 365 * kDayMs,
     .steps = kCommand,
     .example = R"("30m")",
     .meaning = "A program that takes longer is ended: SIGTERM, and SIGKILL 5 s later, to it and all it started. Then "
                "its attempt has failed."},
    {.section = "job.NAME.step",
     .name = "env",
     .type = variables,
     .steps = kCommand,
     .example = R"({ LOG_LEVEL = "debug" })",
     .meaning = "Environment variables of the program, added to those of `tidelock`."},
    {.section = "job.NAME.step",
     .name = "trigger",
     .type = reference,
     .choices = "job",
     .steps = kTrigger,
     .example = R"("report")",
     .meaning = "A step that has another job run, with the same `$now`, and does not wait for it."},
    {.section = "job.NAME.step",
     .name = "record",
     .type = reference,
     .choices = "record",
     .steps = kChunk,
     .example = R"("bar")",
     .meaning = "What a valid row is. Needed by `csv`; without it the rows of a query are taken as they are."},
    {.section = "job.NAME.step",
     .name = "only",
     .type = text,
     .steps = kChunk,
     .example = R"("date <= $yesterday")",
     .meaning = "Rows for which this is not true are passed over, not skipped."},
    {.section = "job.NAME.step",
     .name = "insert",
     .type = text,
     .steps = kChunk,
     .example = R"("bars")",
     .meaning = "Table that the rows are added to."},
    {.section = "job.NAME.step",
     .name = "upsert",
     .type = text,
     .steps = kChunk,
     .example = R"("symbols")",
     .meaning = "Table that the rows are added to, or where one with the same `key` is there, replace it in."},
    {.section = "job.NAME.step",
     .name = "update",
     .type = text,
     .steps = kChunk,
     .example = R"("group_stats")",
     .meaning = "Table whose rows with the same `key` get the other columns."},
    {.section = "job.NAME.step",
     .name = "key",
     .type = texts,
     .steps = kChunk,
     .example = R"(["symbol", "date"])",
     .meaning = "Columns that name a row, for `upsert` and `update`."},
    {.section = "job.NAME.step",
     .name = "chunk",
     .type = integer,
     .fallback = "1000",
     .min = 1,
     .max = 1'000'000,
     .steps = kChunk,
     .example = "10_000",
     .meaning = "Rows a transaction; the checkpoint is committed with them."},
    {.section = "job.NAME.step",
     .name = "max_skips",
     .type = integer,
     .fallback = "0",
     .min = 0,
     .max = 1'000'000'000,
     .steps = kChunk,
     .example = "100",
     .meaning = "More bad rows than this and the step fails."},
    {.section = "job.NAME.step",
     .name = "max_attempts",
     .type = integer,

     .min = 1,
     .max = 1000,
     .example = "10",
     .meaning = "The first included; each in a transaction of its own. Default 3, and 1 for a `command`."},
    {.section = "job.NAME.step",
     .name = "backoff",
     .type = backoff,
     .fallback = "100ms..10s",
     .example = R"("200ms..10s")",
     .meaning = "Wait before the second attempt, doubled before each further one up to the end."},

    {.section = "service.NAME",
     .name = "command",
     .type = program,
     .required = true,
     .example = R"(["market_monitor", "--replica", "{work}/replica"])",
     .meaning = "A program that runs beside the jobs, and its arguments. It is looked for beside `tidelock`, then in "
                "`PATH`, and runs in the folder of the pipeline file."},
    {.section = "service.NAME",
     .name = "env",
     .type = variables,
     .example = R"({ LOG_LEVEL = "debug" })",
     .meaning = "Environment variables, added to those of `tidelock`."},
    {.section = "service.NAME",
     .name = "restart",
     .type = choice,
     .fallback = "always",
     .choices = "always on_failure never",
     .example = R"("on_failure")",
     .meaning = "Whether it is started again when it ends by itself; a failure is an end other than with 0."},
    {.section = "service.NAME",
     .name = "backoff",
     .type = backoff,
     .fallback = "200ms..10s",
     .example = R"("200ms..10s")",
     .meaning = "Wait before it is started again, doubled each time up to the end; from the beginning once it has run "
                "for a minute."},
    {.section = "service.NAME",
     .name = "stop_timeout",
     .type = duration,
     .fallback = "5s",
     .min = 0,
     .max = kDayMs,
     .example = R"("5s")",
     .meaning = "After SIGTERM; then SIGKILL, to it and all it started."},

    {.section = "spy",
     .name = "to",
     .type = choice,
     .fallback = "file",
     .choices = "file stdout log",
     .example = R"("log")",
     .meaning =
         "Where every SQL statement of the stores is written down, with its values, rows, microseconds, run, step "
         "and fencing token: into a file, on standard output, or on standard error as lines of the structured log."},
    {.section = "spy",
     .name = "file",
     .type = path,
     .fallback = "{work}/spy.log",
     .example = R"("{work}/spy.log")",
     .meaning = "The file. `{pid}` is the number of the process."},
    {.section = "spy",
     .name = "properties",
     .type = file,
     .example = R"("spy.properties")",
     .meaning =
         "A configuration of P6Spy; the other keys of this section come on top of it. Its keys that mean nothing "
         "here are named at the start."},
    {.section = "spy",
     .name = "format",
     .type = choice,
     .fallback = "json",
     .choices = "json single multi custom",
     .example = R"("single")",
     .meaning = "JSON lines, or P6Spy's `SingleLineFormat`, `MultiLineFormat` or `CustomLineFormat`."},
    {.section = "spy",
     .name = "custom",
     .type = text,
     .example = R"-("%(currentTime) %(micros) %(category) %(sqlSingleLine)")-",
     .meaning = "The line of `custom`; [spy.md](spy.md) has the placeholders."},
    {.section = "spy",
     .name = "date_format",
     .type = text,
     .example = R"("yyyy-MM-dd HH:mm:ss.SSS")",
     .meaning =
         "How `single`, `multi` and `custom` write the time, as Java's SimpleDateFormat; without it milliseconds "
         "since 1970."},
    {.section = "spy",
     .name = "layout",
     .type = choice,
     .fallback = "written",
     .choices = "written line clauses",
     .example = R"("clauses")",
     .meaning = "The text of statements in `multi` and `custom`: as written, on one line, or broken before clauses."},
    {.section = "spy",
     .name = "include",
     .type = texts,
     .example = R"(["from orders"])",
     .meaning = "Only statements in which one of these regular expressions is found."},
    {.section = "spy",
     .name = "exclude",
     .type = texts,
     .example = R"(["audit"])",
     .meaning = "Not those in which one of these is found."},
    {.section = "spy",
     .name = "expression",
     .type = text,
     .example = R"("(?i)select.*")",
     .meaning = "Only statements whose whole text matches."},
    {.section = "spy",
     .name = "exclude_categories",
     .type = texts,
     .example = R"(["info", "commit"])",
     .meaning = "Of error, warn, info, batch, statement, commit, rollback and outage."},
    {.section = "spy",
     .name = "threshold",
     .type = duration,
     .fallback = "0s",
     .min = 0,
     .max = kDayMs,
     .example = R"("10ms")",
     .meaning = "Only what took longer; failures always."},
    {.section = "spy",
     .name = "still_running",
     .type = duration,
     .fallback = "0s",
     .min = 0,
     .max = kDayMs,
     .example = R"("30s")",
     .meaning = "A statement that still runs is written down each such interval, as `outage`; `0s`: never."},
    {.section = "spy",
     .name = "mask",
     .type = texts,
     .example = R"(["iban", "pin_.*"])",
     .meaning = "More names of columns whose values are shown as `***`; passwords, tokens and the like always are."},
    {.section = "spy",
     .name = "max_megabytes",
     .type = integer,
     .fallback = "64",
     .min = 1,
     .max = 1'000'000,
     .example = "64",
     .meaning = "Of the file; then it becomes `spy.log.1`, that `spy.log.2`, and so on."},
    {.section = "spy",
     .name = "files",
     .type = integer,
     .fallback = "8",
     .min = 1,
     .max = 1000,
     .example = "8",
     .meaning = "Files that stay, the current one included."},
});

std::string type_name(const Key& key) {
  switch (key.type) {
    case text:
      return "text";
    case name:
      return "name of letters, digits, _ and -, at most 64";
    case choice: {
      auto all = words(key.choices);
      std::string out = all.front();
      for (std::size_t i = 1; i < all.size(); ++i) out += (i + 1 == all.size() ? " or " : ", ") + all[i];
      return out;
    }
    case reference:
      return "name of a " + std::string(key.choices);
    case integer:
      return fmt::format("whole number, {} to {}", key.min, key.max);
    case flag:
      return "true or false";
    case duration:
      return fmt::format("duration, {} to {}", base::format_duration(std::chrono::milliseconds(key.min)),
                         base::format_duration(std::chrono::milliseconds(key.max)));
    case backoff:
      return "first and longest wait";
    case url:
      return "URL of a database";
    case path:
      return "path";
    case file:
      return "path of a file";
    case texts:
      return "list of texts";
    case program:
      return "list of texts, a program and its arguments";
    case variables:
      return "table of texts";
  }
  return {};
}

}  // namespace

std::span<const Key> keys() { return kKeys; }

std::vector<const Key*> keys_of(std::string_view section) {
  std::vector<const Key*> all;
  for (const auto& key : kKeys) {
    if (key.section == section) all.push_back(&key);
  }
  return all;
}

const Key* find_key(std::string_view section, std::string_view name) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(),
                                  [&](const Key& key) { return key.section == section && key.name == name; });
  return found == kKeys.end() ? nullptr : &*found;
}

std::vector<std::string> section_kinds() {
  std::vector<std::string> all;
  for (const auto& key : kKeys) {
    std::string kind(key.section.substr(0, key.section.find('.')));
    if (all.empty() || all.back() != kind) all.push_back(std::move(kind));
  }
  return all;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    const auto end = text.find(' ');
    all.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return all;
}

std::string describe(const Key& key) { return type_name(key); }

std::string markdown(std::string_view section) {
  std::string out = "| key | type | default | example | meaning |\n|---|---|---|---|---|\n";
  for (const auto* key : keys_of(section)) {
    const auto fallback = key->required                               ? "required"
                          : key->fallback.empty()                     ? "none"
                          : key->type == integer || key->type == flag ? fmt::format("`{}`", key->fallback)
                                                                      : fmt::format("`\"{}\"`", key->fallback);
    out += fmt::format("| `{}` | {} | {} | `{}` | {} |\n", key->name, describe(*key), fallback, key->example,
                       key->meaning);
  }
  return out;
}

}  // namespace tidelock::pipeline
