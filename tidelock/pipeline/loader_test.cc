// pipeline::load(): what a file may say, and what is said about one that is wrong.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tidelock/base/duration.h"
#include "tidelock/pipeline/mistakes.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/world/testing.h"

namespace tidelock::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr const char* kWhole = R"([pipeline]
name = "market"
timezone = "America/New_York"

[store.market]
url = "sqlite:{work}/market.db"

[replica.market]
store = "market"
to = "{work}/replica"
keep = 5

[group.stats]

[record.bar]
fields = ["symbol text", "close decimal?"]
check = ["close > 0"]

[job.close_day]
schedule = "0 0 * * *"
missed = "all"
store = "market"
group = "stats"
overlap = "skip"

[[job.close_day.step]]
name = "bars"
csv = "data/bars.csv"
record = "bar"
insert = "bars"
chunk = 10_000
max_skips = 7

[[job.close_day.step]]
name = "close"
sql = "sql/close.sql"
max_attempts = 10
backoff = "1s..2s"

[[job.close_day.step]]
name = "publish"
publish = "market"

[[job.close_day.step]]
name = "report"
trigger = "report"

[job.report]
[[job.report.step]]
name = "page"
command = ["report", "{work}/replica/current.db"]
timeout = "30m"
env = { WHERE = "{work}/log" }

[service.zebra]
command = ["./zebra", "--to", "{work}"]
env = { LEVEL = "{work}/log" }
restart = "on_failure"
stop_timeout = "250ms"

[service.ant]
command = ["ant"]
)";

class Folder {
 public:
  explicit Folder(base::Files& files) : files_(files) {
    write("/p/data/bars.csv", "symbol,close\n");
    write("/p/sql/close.sql", "update t set a = $today;");
    write("/p/sql/unknown.sql", "update t set a = $today;\nupdate t set a = $yesterdya;");
    write("/p/sql/open.sql", "update t set a = 'x");
    write("/p/sql/comment.sql", "-- nothing yet\n");
    write("/p/sql/two.sql", "select 1; select 2;");
    for (const auto* program : {"/p/zebra", "/bin/ant", "/own/ant", "/bin/report"}) write(program, "#!");
  }

  void write(const base::Path& path, std::string_view content) {
    files_.create_folders(path.parent_path());
    files_.write_atomically(path, content);
  }

  Pipeline load(std::string_view text, LoadOptions options = {}) {
    write("/p/pipeline.toml", text);
    options.from = "/p";
    options.program_folders = {"/own", "/bin"};
    return pipeline::load(files_, "pipeline.toml", options);
  }

  std::vector<std::string> mistakes(std::string_view text) {
    try {
      load(text);
    } catch (const InvalidPipeline& invalid) {
      return invalid.lines();
    }
    return {};
  }

 private:
  base::Files& files_;
};

std::string with(std::string_view from, std::string_view to) {
  std::string text = kWhole;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

WORLD_TEST(Loader, ReadsAWholePipeline) {
  const auto pipeline = Folder(files).load(kWhole);
  EXPECT_EQ(pipeline.settings.name, "market");
  EXPECT_EQ(pipeline.settings.work, "/p/work");
  EXPECT_EQ(pipeline.settings.state, "sqlite:/p/work/state.db");
  ASSERT_EQ(pipeline.stores.size(), 1U);
  EXPECT_EQ(pipeline.stores[0].url, "sqlite:/p/work/market.db");
  EXPECT_EQ(pipeline.stores[0].file, "/p/work/market.db");
  ASSERT_NE(pipeline.replica("market"), nullptr);
  EXPECT_EQ(pipeline.replica("market")->to, "/p/work/replica");
  EXPECT_EQ(pipeline.replica("market")->keep, 5U);
  ASSERT_NE(pipeline.job("report"), nullptr);
  EXPECT_FALSE(pipeline.job("report")->schedule);

  const auto& job = *pipeline.job("close_day");
  EXPECT_EQ(job.schedule->text(), "0 0 * * * (America/New_York)");
  EXPECT_EQ(job.missed, batch::Missed::all);
  EXPECT_EQ(job.overlap, batch::Overlap::skip);
  EXPECT_EQ(job.group->name, "stats");
  EXPECT_EQ(job.group->slots, 1U);
  ASSERT_EQ(job.steps.size(), 4U);
  const auto& bars = std::get<batch::ChunkStep>(job.steps[0].what);
  EXPECT_EQ(std::get<batch::CsvSource>(bars.source).path, "/p/data/bars.csv");
  EXPECT_EQ(bars.record->fields.size(), 2U);
  EXPECT_EQ(bars.write.table, "bars");
  EXPECT_EQ(bars.chunk_rows, 10'000U);
  EXPECT_EQ(bars.max_skips, 7U);
  EXPECT_FALSE(job.steps[0].max_attempts);
  const auto& close = std::get<batch::SqlStep>(job.steps[1].what);
  EXPECT_EQ(close.name, "sql/close.sql");
  EXPECT_EQ(close.sql, "update t set a = $today;");
  EXPECT_EQ(job.steps[1].max_attempts, 10);
  EXPECT_EQ(job.steps[1].backoff.cap, 2s);
  const auto& page = std::get<batch::CommandStep>(pipeline.job("report")->steps[0].what);
  EXPECT_THAT(page.argv, ElementsAre("/bin/report", "/p/work/replica/current.db"));
  EXPECT_EQ(page.timeout, 30min);
  EXPECT_EQ(page.env.at("WHERE"), "/p/work/log");
  EXPECT_EQ(pipeline.settings.keep_runs, 24h * 90);
}

WORLD_TEST(Loader, KeepsServicesInTheOrderOfTheFileAndFindsTheirPrograms) {
  const auto services = Folder(files).load(kWhole).services;
  ASSERT_EQ(services.size(), 2U);
  EXPECT_EQ(services[0].name, "zebra");
  EXPECT_THAT(services[0].argv, ElementsAre("/p/zebra", "--to", "/p/work"));
  EXPECT_EQ(services[0].env.at("LEVEL"), "/p/work/log");
  EXPECT_EQ(services[0].restart, Service::Restart::on_failure);
  EXPECT_EQ(services[0].stop_timeout, 250ms);
  EXPECT_THAT(services[1].argv, ElementsAre("/own/ant"));  // Beside the program first.
  EXPECT_EQ(services[1].restart, Service::Restart::always);
}

WORLD_TEST(Loader, AnotherWorkFolderIsCountedFromTheWorkingFolderAndMayNeedEscaping) {
  const auto pipeline = Folder(files).load(kWhole, {.work = "../elsewhere/100%/"});
  EXPECT_EQ(pipeline.settings.work, "/elsewhere/100%");
  EXPECT_EQ(pipeline.stores[0].url, "sqlite:/elsewhere/100%25/market.db");
  EXPECT_EQ(pipeline.stores[0].file, "/elsewhere/100%/market.db");
  EXPECT_EQ(pipeline.settings.state, "sqlite:/elsewhere/100%25/state.db");
}

WORLD_TEST(Loader, AStepMayBeAllowedWhatAGuardedStoreRefuses) {
  const std::string sql = "sql = \"sql/close.sql\"";
  const auto rules = [&](const std::string& text) {
    const auto pipeline = Folder(files).load(with(sql, sql + text));
    return std::get<batch::SqlStep>(pipeline.job("close_day")->steps[1].what).allow;
  };
  EXPECT_FALSE(rules("").has(sql::Rule::truncate));
  EXPECT_TRUE(rules("\nallow = [\"truncate\", \"drop\"]").has(sql::Rule::drop));
}

WORLD_TEST(Loader, AStoreIsGuardedWhenItSaysSo) {
  const std::string url = "sqlite:{work}/market.db\"";
  EXPECT_FALSE(Folder(files).load(kWhole).stores[0].guarded);
  EXPECT_TRUE(Folder(files).load(with(url, url + "\nguarded = true")).stores[0].guarded);
  EXPECT_FALSE(Folder(files).load(with(url, url + "\nguarded = false")).stores[0].guarded);
}

#if TIDELOCK_HAVE_POSTGRES && TIDELOCK_HAVE_MARIADB
WORLD_TEST(Loader, StateAndStoresMayBeOnServersByAnyNameOfTheirEngines) {
  for (const auto* const url : {"postgres://app@db/shop", "postgresql://app@db/shop", "mariadb://app@db/shop",
                                "mysql://app@db/shop?ansi=false"}) {
    const auto pipeline =
        Folder(files).load(fmt::format("[pipeline]\nname = \"shop\"\nstate = \"{0}\"\n[store.shop]\nurl = "
                                       "\"{0}\"\n[service.web]\ncommand = [\"ant\"]\n",
                                       url));
    EXPECT_EQ(pipeline.settings.state, url);
    EXPECT_EQ(pipeline.stores[0].url, url);
  }
}
#endif

WORLD_TEST(Loader, ARelativeUrlIsCountedFromTheFolderOfTheFile) {
  const auto pipeline = Folder(files).load(with("sqlite:{work}/market.db", "sqlite:data/market.db?mode=rwc"));
  EXPECT_EQ(pipeline.stores[0].url, "sqlite:/p/data/market.db?mode=rwc");
}

WORLD_TEST(Loader, SaysAllMistakesAtOnceInTheOrderOfTheFile) {
  auto text = with("missed = \"all\"", "mised = \"all\"");
  text.replace(text.find("keep = 5"), 8, "keep = 0");
  text.replace(text.find("publish = \"market\""), 18, "publish = \"markt\"");
  EXPECT_THAT(Folder(files).mistakes(text),
              ElementsAre("pipeline.toml:11: replica.market.keep: 0 is out of range: whole number, 1 to 1000, as in 3",
                          "pipeline.toml:21: job.close_day.mised: unknown key: did you mean missed?",
                          "pipeline.toml:42: job.close_day.publish.publish: there is no [replica.markt]: did you mean "
                          "\"market\"?"));
}

WORLD_TEST(Loader, NothingIsMadeByLoading) {
  Folder(files).load(kWhole);
  EXPECT_FALSE(files.info("/p/work"));
}

struct Broken {
  const char* from;  // Replaced in kWhole.
  const char* to;
  const char* line;  // Of the one mistake.
};

constexpr Broken kBroken[] = {
    // Not TOML.
    {"name = \"market\"\n", "name = \"market\n", "pipeline.toml:2: not TOML, "},
    {"[group.stats]", "[group.stats", "pipeline.toml:13: not TOML, "},
    {"keep = 5", "keep = 5\nkeep = 6", "pipeline.toml:12: not TOML, "},
    {"name = \"market\"", "name = \"\xFF\"", "pipeline.toml:2: a byte here is not UTF-8: save the file as UTF-8"},
    // Unknown sections and keys.
    {"[group.stats]", "[groups.stats]",
     "pipeline.toml:13: groups: unknown kind of section: did you mean [group.NAME]?"},
    {"name = \"market\"", "name = \"market\"\nzone = 1",
     "pipeline.toml:3: pipeline.zone: unknown key: there are name, timezone, work, state and keep_runs"},
    {"[group.stats]", "[group.stats]\nslot = 2",
     "pipeline.toml:14: group.stats.slot: unknown key: did you mean slots?"},
    {"max_skips = 7", "max_skip = 7",
     "pipeline.toml:32: job.close_day.bars.max_skip: unknown key: did you mean max_skips?"},
    {"[group.stats]", "[group.\"sta ts\"]\n[group.stats]",
     "pipeline.toml:13: group.sta ts: \"sta ts\" is no name: letters, digits, _ and -, at most 64 of them"},
    {"[group.stats]", "[group]\nslots = 1\n[group.stats]",
     "pipeline.toml:14: group.slots: a whole number instead of a section: [group.NAME], and the key below it"},
    {"sql = \"sql/close.sql\"", "sql = \"sql/close.sql\"\nallow = [\"dorp\"]",
     "pipeline.toml:37: job.close_day.close.allow: there is no rule \"dorp\" of the guard; there are drop, truncate, "
     "delete_without_where, update_without_where and dynamic_sql: as in [\"truncate\"]"},
    {"sql = \"sql/close.sql\"", "sql = \"sql/close.sql\"\ntimeout = \"1m\"",
     "pipeline.toml:37: job.close_day.close.timeout: does not belong to a sql step: remove it"},
    {"timeout = \"30m\"", "timeout = \"0s\"", "pipeline.toml:52: job.report.page.timeout: \"0s\" is out of range: "},
    {"name = \"market\"", "name = \"market\"\nkeep_runs = \"5m\"",
     "pipeline.toml:3: pipeline.keep_runs: \"5m\" is out of range: "},
    // Missing keys.
    {"name = \"market\"\n", "", "pipeline.toml:1: pipeline: name is missing: name = \"market\""},
    {"store = \"market\"\nto", "to", "pipeline.toml:8: replica.market: store is missing: store = \"market\""},
    {"name = \"bars\"\n", "", "pipeline.toml:26: job.close_day.step[1]: name is missing: name = \"bars\""},
    {"record = \"bar\"\n", "",
     "pipeline.toml:26: job.close_day.bars: record is missing: record = \"NAME\" says what "
     "the columns are; see [record.NAME]"},
    {"insert = \"bars\"\n", "",
     "pipeline.toml:26: job.close_day.bars: the step does not say where its rows go: one "
     "of insert, upsert and update"},
    {"insert = \"bars\"", "upsert = \"bars\"",
     "pipeline.toml:26: job.close_day.bars: key is missing: key = [\"id\"], the columns that name a row"},
    {"sql = \"sql/close.sql\"\n", "",
     "pipeline.toml:34: job.close_day.close: the step says nothing to do: one of "
     "csv, query, sql, publish, command and trigger"},
    {"store = \"market\"\ngroup", "group",
     "pipeline.toml:25: job.close_day.bars: the job has no store to work on: store = \"NAME\" in [job.close_day]"},
    // Wrong types and values.
    {"keep = 5", "keep = \"5\"", "pipeline.toml:11: replica.market.keep: is text: whole number, 1 to 1000, as in 3"},
    {"missed = \"all\"", "missed = true",
     "pipeline.toml:21: job.close_day.missed: is true or false: none, once or all"},
    {"missed = \"all\"", "missed = \"al\"",
     "pipeline.toml:21: job.close_day.missed: \"al\": none, once or all, as in \"all\""},
    {"[\"ant\"]", "\"ant\"", "pipeline.toml:62: service.ant.command: is text: list of texts, a program"},
    {"[\"ant\"]", "[]", "pipeline.toml:62: service.ant.command: is empty: "},
    {"stop_timeout = \"250ms\"", "stop_timeout = \"250\"", "pipeline.toml:59: service.zebra.stop_timeout: "},
    {"backoff = \"1s..2s\"", "backoff = \"2s..1s\"",
     "pipeline.toml:38: job.close_day.close.backoff: \"2s..1s\" begins above its end"},
    {"env = { LEVEL = \"{work}/log\" }", "env = { LEVEL = 1 }",
     "pipeline.toml:57: service.zebra.env: is a table of other things: table of texts, as in "},
    {"America/New_York", "America/New_Yrok", "pipeline.toml:3: pipeline.timezone: time zone \"America/New_Yrok\""},
    {"0 0 * * *", "0 24 * * *", "pipeline.toml:20: job.close_day.schedule: "},
    {"0 0 * * *", "every 5", "pipeline.toml:20: job.close_day.schedule: "},
    {"close decimal?", "close decimale", "pipeline.toml:16: record.bar.fields: "},
    // Things that do not go together.
    {"sql = \"sql/close.sql\"", "sql = \"sql/close.sql\"\ntrigger = \"report\"",
     "pipeline.toml:37: job.close_day.close.trigger: stands beside sql: a step does one thing: make it two steps"},
    {"sql = \"sql/close.sql\"", "sql = \"sql/close.sql\"\nchunk = 5",
     "pipeline.toml:37: job.close_day.close.chunk: does not belong to a sql step: remove it; it is for csv and query "
     "steps"},
    {"insert = \"bars\"", "insert = \"bars\"\nkey = [\"symbol\"]",
     "pipeline.toml:31: job.close_day.bars.key: does not belong to an insert: remove it, or upsert"},
    {"name = \"close\"", "name = \"bars\"",
     "pipeline.toml:35: job.close_day.bars.name: the job has two steps of this name: a name of its own"},
    // What is named must be there.
    {"data/bars.csv", "data/bar.csv",
     "pipeline.toml:28: job.close_day.bars.csv: there is no file \"/p/data/bar.csv\": the path is counted from the "
     "folder of this file"},
    {"data/bars.csv", "data", "pipeline.toml:28: job.close_day.bars.csv: \"data\" is a folder: name a file"},
    {"sql/close.sql", "sql/clos.sql", "pipeline.toml:36: job.close_day.close.sql: there is no file"},
    {"sql/close.sql", "sql", "pipeline.toml:36: job.close_day.close.sql: "},
    // What can be told of SQL without its database.
    {"sql/close.sql", "sql/unknown.sql",
     "pipeline.toml:36: job.close_day.close.sql: sql/unknown.sql:2: \"$yesterdya\" is none of $now, $today and "
     "$yesterday: "},
    {"sql/close.sql", "sql/open.sql", "pipeline.toml:36: job.close_day.close.sql: sql/open.sql:1: "},
    {"sql/close.sql", "sql/comment.sql",
     "pipeline.toml:36: job.close_day.close.sql: sql/comment.sql has no statement: write the SQL into it"},
    {"csv = \"data/bars.csv\"", "query = \"sql/two.sql\"",
     "pipeline.toml:28: job.close_day.bars.query: sql/two.sql has 2 statements: one query; others belong into a sql "
     "step"},
    {"csv = \"data/bars.csv\"", "query = \"sql/open.sql\"",
     "pipeline.toml:28: job.close_day.bars.query: sql/open.sql:1: "},
    {"\"ant\"", "\"aunt\"",
     "pipeline.toml:62: service.ant.command: there is no program \"aunt\" beside tidelock or in PATH: build or install "
     "it, or give its path"},
    {"./zebra", "./zebre", "pipeline.toml:56: service.zebra.command: there is no program \"/p/zebre\""},
    {"group = \"stats\"", "group = \"stat\"",
     "pipeline.toml:23: job.close_day.group: there is no [group.stat]: did you mean \"stats\"?"},
    {"record = \"bar\"", "record = \"listing\"",
     "pipeline.toml:29: job.close_day.bars.record: there is no [record.listing]: there are bar"},
    {"trigger = \"report\"", "trigger = \"raport\"",
     "pipeline.toml:46: job.close_day.report.trigger: there is no [job.raport]: did you mean \"report\"?"},
    // Places.
    {"{work}/replica\"\nkeep", "{wrok}/replica\"\nkeep",
     "pipeline.toml:10: replica.market.to: {wrok} stands for nothing: {work} is all that is replaced"},
    {"to = \"{work}/replica\"", "to = \"work\"",
     "pipeline.toml:10: replica.market.to: store market lies in this folder: a folder of its own"},
    {"to = \"{work}/replica\"", "to = \"work/market.db\"",
     "pipeline.toml:10: replica.market.to: store market lies in this folder: a folder of its own"},
    {"sqlite:{work}/market.db", "sqlit:{work}/market.db",
     "pipeline.toml:6: store.market.url: \"sqlit\" is no known kind of database: did you mean sqlite:?"},
    {"sqlite:{work}/market.db", "market.db", "pipeline.toml:6: store.market.url: "},
    {"[store.market]", "[store.other]\nurl = \"sqlite:work/market.db\"\n\n[store.market]",
     "pipeline.toml:9: store.market.url: is the file of store other too: one store a file"},
    {"timezone = \"America/New_York\"", "state = \"memory:\"",
     "pipeline.toml:3: pipeline.state: \"memory\" is no known kind of database: there are "},
    {"timezone = \"America/New_York\"", "state = \"sqlite::memory:\"",
     "pipeline.toml:3: pipeline.state: the state is kept where other processes see it: sqlite:{work}/state.db"},
    {"timezone = \"America/New_York\"", "state = \"duckdb:{work}/s.db\"",
     "pipeline.toml:3: pipeline.state: the state is kept in SQLite, PostgreSQL or MariaDB: sqlite:{work}/state.db"},
    // Triggers.
    {"trigger = \"report\"", "trigger = \"close_day\"",
     "pipeline.toml:46: job.close_day.report.trigger: close_day → close_day never ends: take one of these triggers "
     "out"},
    {"command = [\"report\", \"{work}/replica/current.db\"]\ntimeout = \"30m\"\nenv = { WHERE = \"{work}/log\" }",
     "trigger = \"close_day\"", "pipeline.toml:51: job.report.page.trigger: close_day → report → close_day never ends"},
};

WORLD_TEST(Loader, SaysWhatIsWrongWhereAndWhatWouldBeRight) {
  Folder folder(files);
  for (const auto& [from, to, line] : kBroken) {
    const auto lines = folder.mistakes(with(from, to));
    EXPECT_THAT(lines, ::testing::Contains(HasSubstr(line))) << "with " << to << " for " << from;
    // What follows is said too, and nothing else.
    const bool more_follows = std::string_view(to).starts_with("[group") || std::string_view(to) == "group" ||
                              std::string_view(to) == "to = \"work\"";
    EXPECT_TRUE(lines.size() == 1 || more_follows) << "with " << to << ": " << ::testing::PrintToString(lines);
  }
}

WORLD_TEST(Loader, AnEmptyFileIsToldWhatItLacks) {
  EXPECT_THAT(Folder(files).mistakes(""),
              ElementsAre("pipeline.toml:1: pipeline: name is missing: name = \"market\"",
                          "pipeline.toml:1: there is neither a job nor a service: write a section [job.NAME]"));
}

WORLD_TEST(Loader, ABomIsFine) { EXPECT_TRUE(Folder(files).mistakes(std::string("\xEF\xBB\xBF") + kWhole).empty()); }

WORLD_TEST(Loader, AFileThatIsMissingIsNotFound) {
  EXPECT_THROW_CODE(pipeline::load(files, "/none/pipeline.toml"), Code::not_found);
}

WORLD_TEST(Loader, AFileBelowTheWorkFolderMayComeLater) {
  EXPECT_TRUE(Folder(files).mistakes(with("data/bars.csv", "{work}/downloaded.csv")).empty());
}

WORLD_TEST(Loader, ReadsWhatTheSpyIsToWriteDown) {
  Folder folder(files);
  EXPECT_FALSE(folder.load(kWhole).spy);
  const auto plain = folder.load(kWhole + std::string("\n[spy]\n")).spy;
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->options.file->path, "/p/work/spy.log");
  EXPECT_EQ(plain->options.format.format, sql::spy::Format::json);
  EXPECT_EQ(plain->options.format.zone, "America/New_York");

  const auto spy = folder
                       .load(kWhole + std::string(R"-(
[spy]
file = "logs/{pid}.log"
format = "custom"
custom = "%(micros) %(sql)"
date_format = "HH:mm"
layout = "clauses"
include = ["from a", "from b"]
exclude = ["audit"]
expression = "(?i)select.*"
exclude_categories = ["commit"]
threshold = "5ms"
still_running = "30s"
mask = ["iban"]
max_megabytes = 2
files = 3
)-"))
                       .spy;
  const auto& options = spy->options;
  EXPECT_EQ(options.file->path, "/p/logs/{pid}.log");
  EXPECT_EQ(options.file->max_bytes, std::uint64_t{2} << 20);
  EXPECT_EQ(options.file->files, 3U);
  EXPECT_EQ(options.format.custom, "%(micros) %(sql)");
  EXPECT_EQ(options.format.layout, sql::spy::Layout::clauses);
  EXPECT_THAT(options.filter.include, ElementsAre("from a", "from b"));
  EXPECT_EQ(options.filter.expression, "(?i)select.*");
  EXPECT_FALSE(sql::spy::Filter(options.filter).wants(sql::spy::LogCategory::commit));
  EXPECT_EQ(options.filter.threshold, 5ms);
  EXPECT_EQ(options.still_running, 30s);
  EXPECT_THAT(options.secret_names, ElementsAre("iban"));
}

WORLD_TEST(Loader, TakesAConfigurationOfP6SpyAndWhatComesOnTopOfIt) {
  Folder folder(files);
  folder.write("/p/spy.properties", "driverlist=x\nlogfile=sql.log\ndateformat=HH:mm\nexecutionThreshold=7\n");
  const auto spy =
      folder.load(kWhole + std::string("\n[spy]\nproperties = \"spy.properties\"\nthreshold = \"1s\"\n")).spy;
  EXPECT_EQ(spy->options.file->path, "/p/sql.log");
  EXPECT_EQ(spy->options.format.format, sql::spy::Format::single);
  EXPECT_EQ(spy->options.format.date_format, "HH:mm");
  EXPECT_EQ(spy->options.filter.threshold, 1s);
  EXPECT_THAT(spy->notes, ElementsAre(HasSubstr("spy.properties:1: driverlist means nothing here")));
}

// What the only sink of the spy writes to standard output and standard error.
std::pair<std::string, std::string> written(const Spy& spy) {
  using namespace sql::spy;
  EXPECT_FALSE(spy.options.file);
  EXPECT_EQ(spy.options.sinks.size(), 1U);
  const auto place = std::make_shared<const Place>(Place{"sqlite:x.db", "sqlite", {}});
  auto record = std::make_shared<Record>();
  record->statement = std::make_shared<const StatementText>(place, "select 1\nfrom t", SecretNames(), true);
  const RecordPtr one = record;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  spy.options.sinks.front()->write({&one, 1});
  auto out = ::testing::internal::GetCapturedStdout();
  return {std::move(out), ::testing::internal::GetCapturedStderr()};
}

WORLD_TEST(Loader, WhatComesOnTopOfAConfigurationOfP6SpyHoldsForItsStandardOutputToo) {
  Folder folder(files);
  folder.write("/p/spy.properties",
               "appender=com.p6spy.engine.spy.appender.StdoutLogger\nlogMessageFormat=MultiLineFormat\n");
  const auto loaded = [&](const std::string& keys) {
    return folder.load(kWhole + std::string("\n[spy]\nproperties = \"spy.properties\"\n") + keys).spy.value();
  };
  EXPECT_THAT(written(loaded("")).first, HasSubstr("\nselect 1\nfrom t;\n"));
  EXPECT_THAT(written(loaded("format = \"json\"\n")).first, HasSubstr("\"sql\":\"select 1\\nfrom t\""));
  EXPECT_EQ(written(loaded("format = \"custom\"\ncustom = \"%(category)|%(sql)\"\nlayout = \"line\"\n")).first,
            "statement|select 1 from t\n");
}

WORLD_TEST(Loader, TheSpyWritesWhereItIsTold) {
  Folder folder(files);
  folder.write("/p/spy.properties", "appender=com.p6spy.engine.spy.appender.Slf4JLogger\nlogfile=sql.log\n");
  const auto loaded = [&](const std::string& keys) {
    return folder.load(kWhole + std::string("\n[spy]\n") + keys).spy.value();
  };
  const std::string properties = "properties = \"spy.properties\"\n";
  EXPECT_THAT(written(loaded("to = \"stdout\"\n")).first, HasSubstr("\"sql\":\"select 1\\nfrom t\""));
  for (const auto& keys : {std::string("to = \"log\"\n"), properties}) {
    const auto [out, log] = written(loaded(keys));
    EXPECT_EQ(out, "");
    EXPECT_THAT(log, HasSubstr("level=info msg=sql category=statement database=sqlite:x.db"));
  }
  EXPECT_THAT(written(loaded(properties + "to = \"stdout\"\n")).first, HasSubstr("|statement|connection 0|"));
  EXPECT_EQ(loaded(properties + "to = \"file\"\n").options.file->path, "/p/sql.log");
  const auto file = loaded(properties + "file = \"mine.log\"\n");
  EXPECT_EQ(file.options.file->path, "/p/mine.log");
  EXPECT_TRUE(file.options.sinks.empty());
}

WORLD_TEST(Loader, SaysWhatIsWrongWithTheSpy) {
  Folder folder(files);
  const auto first = [&](const std::string& keys) {
    const auto lines = folder.mistakes(kWhole + std::string("\n[spy]\n") + keys);
    return lines.size() == 1 ? lines.front() : ::testing::PrintToString(lines);
  };
  EXPECT_THAT(first("include = [\"(\"]"), HasSubstr("spy.include: include \"(\" is no regular expression"));
  EXPECT_THAT(first("exclude_categories = [\"comit\"]"), HasSubstr("\"comit\" is no category"));
  EXPECT_THAT(first("date_format = \"wwww\""), HasSubstr("spy.date_format: date format"));
  EXPECT_THAT(first("format = \"custom\"\ncustom = \"%(sq)\""), HasSubstr("did you mean %(sql)?"));
  EXPECT_THAT(first("custom = \"%(sql)\""), HasSubstr("of no use without format"));
  EXPECT_THAT(first("mask = [\"(\"]"), HasSubstr("spy.mask"));
  EXPECT_THAT(first("to = \"log\"\nfile = \"sql.log\""), HasSubstr("spy.file: is of no use with to = \"log\""));
  EXPECT_THAT(first("to = \"elsewhere\""), HasSubstr("spy.to"));
  EXPECT_THAT(first("fille = \"x\""), HasSubstr("did you mean"));
  EXPECT_THAT(first("properties = \"none.properties\""), HasSubstr("none.properties"));
  folder.write("/p/spy.properties", "\nappend=perhaps\n");
  EXPECT_THAT(first("properties = \"spy.properties\""), HasSubstr("spy.properties:2: append: \"perhaps\""));
}

WORLD_TEST(Loader, TriggersMayMeetWithoutACircle) {
  const std::string more = R"(
[job.both]
[[job.both.step]]
name = "one"
trigger = "report"
[[job.both.step]]
name = "two"
trigger = "report"
[[job.both.step]]
name = "three"
trigger = "close_day"
)";
  EXPECT_TRUE(Folder(files).mistakes(kWhole + more).empty());
}

}  // namespace
}  // namespace tidelock::pipeline
