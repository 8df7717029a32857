// The spy over SQLite: what it sees, what it hides, and that nothing that befalls its sinks reaches a statement.
#include "tidelock/sql/spy/spy.h"

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "tidelock/base/log_sinks.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::sql::spy {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Database> open_shop(base::Runtime& runtime, base::Files& files) {
  auto db = open(runtime, files, base::Url::parse("sqlite:/shop.db"));
  db->script("create table item (id integer primary key, name text, password text)");
  return db;
}

std::vector<nlohmann::json> lines(base::Files& files, const base::Path& path = "/spy.log") {
  std::vector<nlohmann::json> all;
  const auto text = files.read(path);
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    all.push_back(nlohmann::json::parse(text.substr(at, text.find('\n', at) - at)));
  }
  return all;
}

// What is told about sinks.
struct Told {
  std::vector<std::string> texts;
  Say say() {
    return [this](base::LogLevel, const std::string& text) { texts.push_back(text); };
  }
};

Options to_file() { return {.file = FileOptions{.path = "/spy.log"}}; }

WORLD_TEST(Spy, WritesDownWhatEachStatementWasAndWhomItWorkedFor) {
  const auto db = open_shop(runtime, files);
  const auto spy = std::make_shared<Spy>(runtime, files, to_file());
  db->observe(spy);
  {
    const auto work = base::kUnitOfWork.set(runtime, {.job = "load", .run = "7", .step = "items", .token = 41});
    transact(*db, [](Transaction& tx) { tx.execute("insert into item (id, name) values (?, ?)", 1, "lamp"); });
  }
  db->maybe<int>("select id from item where name = ?", "none");
  EXPECT_THROW_CODE(db->execute("insert into nowhere values (?)", 1), Code::statement_invalid);
  db->script("delete from item");
  auto connection = db->connect();
  auto bulk = connection.bulk("item", {"id"});
  bulk.append(5);
  bulk.finish();
  ASSERT_TRUE(spy->flush(runtime.in(10s)));

  const auto all = lines(files);
  std::vector<std::string> categories;
  for (const auto& each : all) categories.push_back(each["category"]);
  EXPECT_THAT(categories,
              ElementsAre("info", "statement", "commit", "statement", "error", "statement", "info", "batch", "commit"));
  const auto& insert = all.at(1);
  EXPECT_EQ(insert["sql"], "insert into item (id, name) values (?, ?)");
  EXPECT_EQ(insert["values"], nlohmann::json::parse(R"([1, "lamp"])"));
  EXPECT_EQ(insert["rows"], 1);
  EXPECT_EQ(insert["database"], db->name());
  EXPECT_EQ(insert["connection"], 1);
  EXPECT_EQ(insert["transaction"], all.at(0)["transaction"]);
  EXPECT_EQ(insert["transaction"], all.at(2)["transaction"]);
  EXPECT_EQ(insert["job"], "load");
  EXPECT_EQ(insert["run"], "7");
  EXPECT_EQ(insert["step"], "items");
  EXPECT_EQ(insert["token"], 41);
  EXPECT_FALSE(all.at(2).contains("sql"));
  EXPECT_FALSE(all.at(3).contains("job"));
  EXPECT_EQ(all.at(3)["rows"], 0);
  EXPECT_THAT(std::string(all.at(4)["error"]), HasSubstr("nowhere"));
  EXPECT_EQ(all.at(7)["rows"], 1);
  EXPECT_EQ(spy->dropped(), 0U);
}

WORLD_TEST(Spy, ShowsNoSecret) {
  const auto db = open_shop(runtime, files);
  auto options = to_file();
  options.secret_names = {"name"};
  options.recent = 100;
  const auto spy = std::make_shared<Spy>(runtime, files, options);
  db->observe(spy);
  db->execute("insert into item (id, name, password) values (?, ?, ?)", 1, "hidden1", "hidden2");
  db->execute("update item set password = 'hidden3' where id = ?", 1);
  db->maybe<int>("select id from item where id = ?", base::Secret("hidden4"));
  EXPECT_THROW_CODE(db->execute("insert into item (id, password) values (1, ?)", "hidden6"),
                    Code::constraint_violation);
  EXPECT_THROW_CODE(db->execute("insert into nowhere values (?, ?)", base::Secret("hidden7"), 1),
                    Code::statement_invalid);
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  const auto text = files.read("/spy.log");
  for (const auto* secret : {"hidden1", "hidden2", "hidden3", "hidden4", "hidden6", "hidden7"}) {
    EXPECT_EQ(text.find(secret), std::string::npos) << text;
  }
  EXPECT_EQ(lines(files).at(0)["values"], nlohmann::json::parse(R"([1, "***", "***"])"));
  EXPECT_EQ(lines(files).at(3)["error"], "constraint_violation");
  for (const auto& record : spy->recent()) {
    for (const auto& value : record->values) EXPECT_EQ(to_text(view(value)).find("hidden"), std::string::npos);
  }
}

// What the spy wrote of a bulk writer into `columns` that was given the row, and a second one like it.
nlohmann::json bulk_twice(base::Runtime& runtime, base::Files& files, const std::vector<std::string>& columns,
                          auto... row) {
  const auto db = open_shop(runtime, files);
  const auto spy = std::make_shared<Spy>(runtime, files, to_file());
  db->observe(spy);
  try {
    auto connection = db->connect();
    auto bulk = connection.bulk("item", columns);
    bulk.append(row...);
    bulk.append(row...);
    bulk.finish();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::constraint_violation);
  }
  EXPECT_TRUE(spy->flush(runtime.in(10s)));
  const auto all = lines(files);
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(all.at(1)["category"], "error");
  return all.at(1);
}

WORLD_TEST(Spy, SaysWhyABulkWriteFailed) {
  const auto failed = bulk_twice(runtime, files, {"id", "name"}, 1, "lamp");
  EXPECT_THAT(std::string(failed["sql"]), HasSubstr("bulk item (id and name)"));
  EXPECT_THAT(std::string(failed["error"]), HasSubstr("primary key"));
}

WORLD_TEST(Spy, SaysOfABulkWriteWithASecretColumnOnlyTheCode) {
  EXPECT_EQ(bulk_twice(runtime, files, {"id", "password"}, 1, "hidden")["error"], "constraint_violation");
}

WORLD_TEST(Spy, SaysOfABulkWriteWithASecretOnlyTheCode) {
  EXPECT_EQ(bulk_twice(runtime, files, {"id", "name"}, 1, base::Secret("hidden"))["error"], "constraint_violation");
}

WORLD_TEST(Spy, ASecretOfABulkWriteThatIsNoTextIsNotShown) {
  const auto db = open_shop(runtime, files);
  auto connection = db->connect();
  auto bulk = connection.bulk("item", {"name"});
  try {
    bulk.append(base::Secret("hidden\xff"));
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid_argument);
    EXPECT_EQ(error.message().find("hidden"), std::string::npos) << error.message();
  }
}

// Words about secrets that tell nothing of what is stored: the statement's, the path's, and SQLite's "unrecognized
// token".
WORLD_TEST(Spy, SaysWhyAStatementFailedWhereOnlyTheTextOrThePathNamesASecret) {
  files.create_folders("/token-service");
  const auto db = open(runtime, files, base::Url::parse("sqlite:/token-service/shop.db?busy_timeout=0ms"));
  db->script("create table item (id integer primary key, name text)");
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.recent = 100});
  db->observe(spy);
  const auto error_of = [&](const std::string& sql) {
    EXPECT_THROW(db->execute(sql), Error) << sql;
    return spy->recent().back()->error;
  };
  for (const auto* const sql : {"select 1 # 2", "select 12abc"}) {
    EXPECT_THAT(error_of(sql), HasSubstr("unrecognized token")) << sql;
  }
  EXPECT_THAT(error_of("insert into event values ('password_changed')"), HasSubstr("no such table: event"));
  auto connection = db->connect();
  auto writing = connection.begin();
  writing.execute("insert into item values (1, 'lamp')");
  EXPECT_THAT(error_of("insert into item values (2, 'lamp')"), HasSubstr("/token-service/shop.db"));
}

// The observer alone hears of them.
WORLD_TEST(Spy, SaysWhyAHookFailedUnlessAnEngineNamesASecret) {
  const auto db = open_shop(runtime, files);
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.recent = 100});
  db->observe(spy);
  const auto words_of = [&](const auto& thrown) {
    transact(*db, [&](Transaction& tx) { tx.after_commit([&] { throw thrown; }); });
    return spy->recent().back()->error;
  };
  EXPECT_EQ(words_of(std::runtime_error("mail server refused the token")),
            "an after-commit hook failed: mail server refused the token");
  EXPECT_EQ(words_of(Error(Code::unavailable, "no mail came")), "an after-commit hook failed: no mail came");
  EXPECT_EQ(words_of(Error(Code::statement_invalid, "no such role: alter user app password 'hunter2'")),
            "an after-commit hook failed: statement_invalid");
  EXPECT_EQ(words_of(Error(Code::constraint_violation, "twice", {1, "Duplicate entry 'hunter2' for key 'password'"})),
            "an after-commit hook failed: constraint_violation");
}

WORLD_TEST(Spy, LeavesOutWhatIsNotWanted) {
  const auto db = open_shop(runtime, files);
  auto options = to_file();
  options.filter.include = {"from item"};
  options.filter.exclude_categories.set(static_cast<std::size_t>(LogCategory::commit));
  const auto spy = std::make_shared<Spy>(runtime, files, options);
  db->observe(spy);
  transact(*db, [](Transaction& tx) { tx.execute("delete from item"); });
  db->execute("insert into item (id) values (1)");
  EXPECT_THROW_CODE(db->execute("delete from item where nothing = 1"), Code::statement_invalid);
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  const auto all = lines(files);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0]["sql"], "delete from item");
  EXPECT_EQ(all[1]["category"], "error");
}

WORLD_TEST(Spy, KeepsTheLastOnesAndCountsAll) {
  const auto db = open_shop(runtime, files);
  base::Metrics metrics;
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.recent = 3, .metrics = &metrics});
  db->observe(spy);
  for (int i = 0; i < 10; ++i) db->execute("insert into item (id) values (?)", i);
  const auto recent = spy->recent();
  ASSERT_EQ(recent.size(), 3U);
  EXPECT_EQ(std::get<std::int64_t>(recent[0]->values.at(0)), 7);
  EXPECT_EQ(std::get<std::int64_t>(recent[2]->values.at(0)), 9);
  EXPECT_THAT(metrics.text(),
              HasSubstr("tidelock_sql_statements_total{category=\"statement\",database=\"" + db->name() + "\"} 10"));
  EXPECT_THAT(metrics.text(), HasSubstr("tidelock_sql_statement_seconds_count"));
  EXPECT_TRUE(spy->flush(runtime.in(1s)));
}

WORLD_TEST(Spy, TellsTheLog) {
  const auto db = open_shop(runtime, files);
  const auto memory = std::make_shared<base::MemoryLog>();
  base::Log log(runtime, base::LogLevel::info, {memory});
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.sinks = {std::make_shared<LogSink>(log)}});
  db->observe(spy);
  const auto work = base::kUnitOfWork.set(runtime, {.job = "load", .run = "7", .step = {}, .token = 41});
  db->execute("insert into item (id, name) values (?, ?)", 1, "lamp");
  EXPECT_THROW_CODE(db->execute("insert into nowhere values (1)"), Code::statement_invalid);
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  const auto entries = memory->entries();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].level, base::LogLevel::info);
  EXPECT_EQ(entries[0].fields.at("sql"), "insert into item (id, name) values (1, 'lamp')");
  EXPECT_EQ(entries[0].fields.at("fencing_token"), "41");
  EXPECT_EQ(entries[1].level, base::LogLevel::warning);
  db->observe(nullptr);
  spy->flush(runtime.in(10s));
}

// A log that cannot be written tells nobody but its count.
WORLD_TEST(Spy, CountsWhatTheLogLost) {
  bool broken = true;
  const auto written = std::make_shared<base::TextLog>([&](std::string_view) {
    if (broken) throw Error(Code::disk_full, "no room");
  });
  std::string elsewhere;
  const auto healthy = std::make_shared<base::TextLog>([&](std::string_view text) { elsewhere += text; });
  base::Log log(runtime, base::LogLevel::info, {written, healthy});
  const auto db = open_shop(runtime, files);
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.sinks = {std::make_shared<LogSink>(log)}});
  db->observe(spy);
  for (const auto* const sql : {"select 11", "select 12"}) {
    db->execute(sql);
    ASSERT_TRUE(spy->flush(runtime.in(10s)));
    EXPECT_THAT(elsewhere, HasSubstr(sql)) << "its other place can be written";
  }
  EXPECT_EQ(spy->dropped(), 2U);
  broken = false;
  db->execute("select 2");
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  EXPECT_EQ(spy->dropped(), 2U);
}

// Loses the entries whose text contains this.
std::shared_ptr<base::TextLog> losing(std::string what, std::string& written) {
  return std::make_shared<base::TextLog>([what = std::move(what), &written](std::string_view text) {
    if (text.find(what) != text.npos) throw Error(Code::disk_full, "no room");
    written += text;
  });
}

// One lost line is one entry, however many are written together, and whoever else uses the log.
WORLD_TEST(Spy, CountsOnlyWhatTheLogLost) {
  for (const bool straight : {false, true}) {
    std::string written;
    const auto end = losing("select 2", written);
    base::Log log(runtime, base::LogLevel::info, {end});
    const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
    Told told;
    const auto spy = std::make_shared<Spy>(
        runtime, files,
        Options{.sinks = {straight ? std::make_shared<LogSink>(end) : std::make_shared<LogSink>(log)},
                .say = told.say()});
    db->observe(spy);
    for (int i = 1; i <= 4; ++i) db->execute("select " + std::to_string(i));
    log.info("select 2 of another");
    ASSERT_TRUE(spy->flush(runtime.in(10s)));
    EXPECT_EQ(spy->dropped(), 1U);
    EXPECT_THAT(told.texts, ElementsAre(HasSubstr("the log cannot be written")));
    for (const auto* const sql : {"select 1", "select 3", "select 4"}) EXPECT_THAT(written, HasSubstr(sql));
    db->execute("select 5");
    ASSERT_TRUE(spy->flush(runtime.in(10s)));
    EXPECT_THAT(written, HasSubstr("1 entry is missing here"));
    EXPECT_EQ(spy->dropped(), 1U);
    EXPECT_THAT(told.texts.back(), HasSubstr("the log is written again; 1 entry is missing"));
    db->observe(nullptr);
  }
}

// Reports of statements that do not end need statements that do not end.
StatementEvent event_of(const Dialect& dialect, base::Runtime& runtime, std::uint64_t connection,
                        const void* execution) {
  return {.execution = execution,
          .category = Category::statement,
          .database = "fake:",
          .dialect = dialect,
          .connection = connection,
          .transaction = 0,
          .sql = "select slow()",
          .values = {},
          .has_secrets = false,
          .rows = 0,
          .started = runtime.now(),
          .elapsed = 0us,
          .error = nullptr,
          .runtime = runtime};
}

WORLD_TEST(Spy, ReportsAStatementThatIsStillRunningEachInterval) {
  const Dialect dialect;
  Spy spy(runtime, files, {.still_running = 2s, .recent = 100});
  runtime.sleep_for(1500ms);
  int one = 0, other = 0;
  auto slow = event_of(dialect, runtime, 1, &one);
  spy.on_start(slow);
  runtime.sleep_for(300ms);
  auto fast = event_of(dialect, runtime, 2, &other);
  spy.on_start(fast);
  runtime.sleep_for(200ms);
  spy.on_statement(fast);
  runtime.sleep_for(10s + 500ms);  // It has run for 11 s.
  std::vector<std::int64_t> seconds;
  for (const auto& record : spy.recent()) {
    if (record->category == LogCategory::outage) seconds.push_back(record->elapsed / 1s);
  }
  EXPECT_THAT(seconds, ElementsAre(2, 4, 6, 8, 10));
  slow.elapsed = 11s;
  spy.on_statement(slow);
  runtime.sleep_for(10s);
  EXPECT_EQ(spy.recent().size(), 7U);
  EXPECT_EQ(spy.recent().back()->category, LogCategory::statement);
}

// Each database counts its connections from 1.
WORLD_TEST(Spy, ReportsStatementsOfTwoDatabasesOfOneUrlThatAreStillRunning) {
  const std::vector<std::unique_ptr<Database>> both = [&] {
    std::vector<std::unique_ptr<Database>> two;
    for (int i = 0; i < 2; ++i) two.push_back(open(runtime, files, base::Url::parse("sqlite:/shop.db")));
    return two;
  }();
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.still_running = 2s, .recent = 100});
  for (const auto& db : both) db->observe(spy);
  auto on_one = both[0]->connect(), on_other = both[1]->connect();
  auto one = on_one.query("select 1 union all select 2");
  auto other = on_other.query("select 3 union all select 4");
  EXPECT_TRUE(one.next() && other.next());
  const auto outages = [&] {
    std::vector<std::string> texts;
    for (const auto& record : spy->recent()) {
      if (record->category == LogCategory::outage) texts.push_back(record->statement->sql());
    }
    return texts;
  };
  runtime.sleep_for(3s);
  EXPECT_THAT(outages(), ::testing::UnorderedElementsAre("select 1 union all select 2", "select 3 union all select 4"));
  other.finish();
  runtime.sleep_for(2s);
  EXPECT_EQ(outages().size(), 3U);
  EXPECT_EQ(outages().back(), "select 1 union all select 2");
}

WORLD_TEST(Spy, GoesOnWithoutAFullDiskAndSaysWhatIsMissing) {
  world.machine().disk().options().capacity_bytes = 4 << 20;
  const auto db =
      open(runtime, world.process(world.machine("other"), "p").files(), base::Url::parse("sqlite::memory:"));
  db->script("create table item (id integer primary key)");
  Told told;
  auto options = to_file();
  options.say = told.say();
  const auto spy = std::make_shared<Spy>(runtime, files, options);
  db->observe(spy);
  db->execute("insert into item values (0)");
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  auto& disk = world.machine().disk();
  disk.options().capacity_bytes = disk.used_bytes();
  for (int i = 1; i < 5000; ++i) db->execute("insert into item values (?)", i);
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  EXPECT_GT(spy->dropped(), 4000U);
  EXPECT_EQ(db->one<int>("select count(*) from item"), 5000);
  ASSERT_EQ(told.texts.size(), 1U);
  EXPECT_THAT(told.texts[0], HasSubstr("cannot be written"));
  EXPECT_THAT(told.texts[0], HasSubstr("No space left"));

  spy->flush(runtime.in(10s));
  disk.options().capacity_bytes = 64 << 20;
  db->execute("insert into item values (9999)");
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  const auto all = lines(files);
  EXPECT_EQ(all.back()["sql"], "insert into item values (9999)");
  EXPECT_THAT(all,
              Contains(::testing::ResultOf([](const auto& each) { return std::string(each["category"]); }, "warn")));
  ASSERT_EQ(told.texts.size(), 2U);
  EXPECT_THAT(told.texts[1], HasSubstr("written again"));
}

class BrokenSink final : public Sink {
 public:
  Untaken write(std::span<const RecordPtr>) override { throw Error(Code::unavailable, "broken"); }
  std::string name() const override { return "a broken sink"; }
};

// Not only when the next statement comes along.
WORLD_TEST(Spy, ShowsInItsMetricsAtOnceWhatIsMissing) {
  base::Metrics metrics;
  const auto db = open_shop(runtime, files);
  const auto observed = [&](std::size_t queued) {
    auto spy = std::make_shared<Spy>(
        runtime, files,
        Options{.sinks = {std::make_shared<BrokenSink>()}, .metrics = &metrics, .queue = {.records = queued}});
    db->observe(spy);
    return spy;
  };
  const auto one = observed(100);
  EXPECT_THAT(metrics.text(), HasSubstr("\ntidelock_sql_spy_dropped 0\n"));
  db->execute("insert into item (id, name) values (?, ?)", 1, "lamp");
  ASSERT_TRUE(one->flush(runtime.in(10s)));
  EXPECT_EQ(one->dropped(), 1U);
  EXPECT_THAT(metrics.text(), HasSubstr("\ntidelock_sql_spy_dropped 1\n"));

  const auto another = observed(1);
  for (int i = 0; i < 3; ++i) db->execute("select 1");
  ASSERT_TRUE(another->flush(runtime.in(10s)));
  EXPECT_EQ(another->dropped(), 3U);
  EXPECT_THAT(metrics.text(), HasSubstr("\ntidelock_sql_spy_dropped 4\n"));
}

WORLD_TEST(Spy, GoesOnWithoutAFolderThatMayNotBeWritten) {
  const auto db =
      open(runtime, world.process(world.machine("other"), "p").files(), base::Url::parse("sqlite::memory:"));
  world.machine().disk().options().read_only = true;
  Told told;
  auto options = to_file();
  options.say = told.say();
  const auto spy = std::make_shared<Spy>(runtime, files, options);
  db->observe(spy);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(db->one<int>("select ?", i), i);
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  EXPECT_EQ(spy->dropped(), 10U);
  EXPECT_EQ(told.texts.size(), 1U);
  world.machine().disk().options().read_only = false;
  db->execute("select 1");
  ASSERT_TRUE(spy->flush(runtime.in(10s)));
  EXPECT_EQ(lines(files).size(), 2U);  // What is missing, and the last one.
}

// Takes as long as it is told, in virtual time.
class SlowSink final : public Sink {
 public:
  SlowSink(base::Runtime& runtime, base::Duration takes) : runtime_(runtime), takes_(takes) {}
  Untaken write(std::span<const RecordPtr> records) override {
    runtime_.sleep_for(takes_);
    for (const auto& record : records) warnings += record->category == LogCategory::warn ? 1 : 0;
    written += records.size();
    return {};
  }
  std::string name() const override { return "a slow sink"; }
  std::size_t written = 0, warnings = 0;

 private:
  base::Runtime& runtime_;
  base::Duration takes_;
};

WORLD_TEST(Spy, NeverWaitsForASinkButDropsWhatFindsTheQueueFull) {
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  const auto sink = std::make_shared<SlowSink>(runtime, 1h);
  Told told;
  const auto spy = std::make_shared<Spy>(
      runtime, files, Options{.sinks = {sink}, .queue = {.records = 1000, .every = 10ms}, .say = told.say()});
  db->observe(spy);
  auto connection = db->connect();
  const auto before = runtime.now();
  for (int i = 0; i < 5000; ++i) connection.execute("select 1");
  EXPECT_LT(runtime.now() - before, 1min);
  EXPECT_FALSE(spy->flush(runtime.in(1min)));
  ASSERT_TRUE(spy->flush(runtime.in(100h)));
  EXPECT_EQ(sink->written - sink->warnings + spy->dropped(), 5000U);
  EXPECT_GE(spy->dropped(), 3000U);
  EXPECT_EQ(sink->warnings, 1U);
  runtime.sleep_for(1s);
  EXPECT_THAT(told.texts, ElementsAre(HasSubstr("come faster than they can be written"),
                                      "spy: statements are written as they come again; " +
                                          std::to_string(spy->dropped()) + " entries are missing"));
  const auto dropped = spy->dropped();
  for (int i = 0; i < 5000; ++i) connection.execute("select 1");
  ASSERT_TRUE(spy->flush(runtime.in(100h)));
  EXPECT_GT(spy->dropped(), dropped);
  runtime.sleep_for(1s);
  EXPECT_EQ(told.texts.size(), 4U) << "each time it begins and ends";
}

// Takes nothing with an entry of this category.
struct FailingSink final : Sink {
  Untaken write(std::span<const RecordPtr> records) override {
    for (const auto& record : records) {
      if (record->category == fails_on) throw Error(Code::unavailable, "broken");
    }
    for (const auto& record : records) {
      texts.push_back(record->error.empty() ? std::to_string(record->connection) : record->error);
    }
    return {};
  }
  std::string name() const override { return "a sink"; }
  std::optional<LogCategory> fails_on;
  std::vector<std::string> texts;
};

// What finds the queue full is missing behind what fills it; a sink that fails then says so when it can.
WORLD_TEST(Spy, SaysThatTheQueueWasFullAlsoWhenTheSinkFailsJustThen) {
  const auto sink = std::make_shared<FailingSink>();
  sink->fails_on = LogCategory::warn;
  Spy spy(runtime, files, Options{.sinks = {sink}, .queue = {.records = 2}});
  const Dialect dialect;
  const auto statement = [&](std::uint64_t connection) {
    spy.on_statement(event_of(dialect, runtime, connection, nullptr));
  };
  for (std::uint64_t i = 1; i <= 5; ++i) statement(i);  // The writer's task has no turn meanwhile.
  ASSERT_TRUE(spy.flush(runtime.in(10s)));
  EXPECT_THAT(sink->texts, ElementsAre("1", "2"));
  EXPECT_EQ(spy.dropped(), 3U);
  sink->fails_on.reset();
  statement(6);
  ASSERT_TRUE(spy.flush(runtime.in(10s)));
  EXPECT_THAT(sink->texts,
              ElementsAre("1", "2", "3 entries are missing here: they came faster than they could be written", "6"));
  EXPECT_EQ(spy.dropped(), 3U);
}

// No further entry comes that would bring it along.
WORLD_TEST(Spy, SaysWhatIsMissingAtTheEndOfTheLogWhenItIsTakenAwayOrEnds) {
  const Dialect dialect;
  for (const bool ends : {false, true}) {
    const auto sink = std::make_shared<FailingSink>();
    auto spy = std::make_unique<Spy>(runtime, files, Options{.sinks = {sink}});
    spy->on_observed();
    sink->fails_on = LogCategory::statement;
    spy->on_statement(event_of(dialect, runtime, 1, nullptr));
    ASSERT_TRUE(spy->flush(runtime.in(10s)));
    EXPECT_TRUE(sink->texts.empty());
    sink->fails_on.reset();
    if (!ends) spy->on_removed();
    if (ends) spy.reset();
    EXPECT_THAT(sink->texts, ElementsAre("1 entry is missing here: broken")) << ends;
  }
}

WORLD_TEST(Spy, BoundsTheBytesThatWaitToo) {
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  const auto sink = std::make_shared<SlowSink>(runtime, 1h);
  const auto spy = std::make_shared<Spy>(
      runtime, files, Options{.sinks = {sink}, .value_limit_bytes = 1000, .queue = {.bytes = 1 << 20}});
  db->observe(spy);
  auto connection = db->connect();
  const std::string large(100'000, 'x');
  for (int i = 0; i < 5000; ++i) connection.one<int>("select length(?)", large);
  EXPECT_GT(spy->dropped(), 2000U);
  EXPECT_LT(spy->dropped(), 4900U);
}

WORLD_TEST(Spy, WritesWhatIsQueuedBeforeItGoes) {
  const auto db = open_shop(runtime, files);
  auto spy = std::make_shared<Spy>(runtime, files, to_file());
  {
    const auto other = open(runtime, files, base::Url::parse("sqlite::memory:"));
    other->observe(std::move(spy));
    for (int i = 0; i < 100; ++i) other->execute("select 1");
  }
  EXPECT_EQ(lines(files).size(), 100U);
}

WORLD_TEST(Spy, IsReplacedByOneThatWritesTheSameFile) {
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  const auto other = open(runtime, files, base::Url::parse("sqlite::memory:"));
  const auto first = std::make_shared<Spy>(runtime, files, to_file());
  db->observe(first);
  other->observe(first);
  db->execute("select 1");
  db->observe(nullptr);
  other->execute("select 2");
  {
    auto connection = other->connect();
    auto rows = connection.query("select 3");  // Still runs when nobody is observed any more.
    ASSERT_TRUE(rows.next());
    other->observe(nullptr);
    EXPECT_EQ(lines(files).size(), 2U) << "it is written at once";
  }
  ASSERT_TRUE(first->flush(runtime.in(10s)));

  const auto second = std::make_shared<Spy>(runtime, files, to_file());
  db->observe(second);
  db->execute("select 4");
  ASSERT_TRUE(second->flush(runtime.in(10s)));
  EXPECT_EQ(second->dropped(), 0U);
  db->observe(first);  // And back.
  db->execute("select 5");
  ASSERT_TRUE(first->flush(runtime.in(10s)));
  EXPECT_EQ(first->dropped(), 0U);
  std::vector<std::string> texts;
  for (const auto& each : lines(files)) texts.push_back(each["sql"]);
  EXPECT_THAT(texts, ElementsAre("select 1", "select 2", "select 3", "select 4", "select 5"));
}

WORLD_TEST(Spy, WaitsAMomentForAFileThatTheOneBeforeItStillWrites) {
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  auto options = to_file();
  options.sinks = {std::make_shared<SlowSink>(runtime, 1500ms)};  // Longer than it is waited for.
  const auto first = std::make_shared<Spy>(runtime, files, options);
  const auto second = std::make_shared<Spy>(runtime, files, to_file());
  db->observe(first);
  db->execute("select 1");
  db->observe(second);
  db->execute("select 2");
  ASSERT_TRUE(second->flush(runtime.in(10s)));
  EXPECT_EQ(first->dropped() + second->dropped(), 0U);
  EXPECT_EQ(lines(files).back()["sql"], "select 2");
}

WORLD_TEST(Spy, WaitsOnceOnlyForAFileThatAnotherKeeps) {
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  Told told;
  auto options = to_file();
  options.say = told.say();
  const auto first = std::make_shared<Spy>(runtime, files, options);
  const auto second = std::make_shared<Spy>(runtime, files, to_file());
  db->observe(first);
  {
    auto connection = db->connect();
    auto rows = connection.query("select 1");  // Still runs when the other one begins.
    ASSERT_TRUE(rows.next());
    db->observe(second);
    db->execute("select 2");
    ASSERT_TRUE(second->flush(runtime.in(10s)));
  }
  ASSERT_TRUE(first->flush(runtime.in(3s)));
  EXPECT_EQ(first->dropped(), 1U);
  EXPECT_THAT(told.texts, ElementsAre(HasSubstr("is written by another process, or by another spy")));
  const Dialect dialect;
  for (std::uint64_t i = 1; i <= 1000; ++i) first->on_statement(event_of(dialect, runtime, i, nullptr));
  ASSERT_TRUE(first->flush(runtime.in(1s)));
  EXPECT_EQ(first->dropped(), 1001U);

  db->observe(nullptr);
  first->on_statement(event_of(dialect, runtime, 7, nullptr));
  ASSERT_TRUE(first->flush(runtime.in(10s)));
  const auto all = lines(files);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_THAT(std::string(all[1]["error"]), HasSubstr("1001 entries are missing here"));
  EXPECT_EQ(all[2]["connection"], 7);
}

WORLD_TEST(Spy, LetsGoOfItsFileWhenItsDatabaseEnds) {
  const auto first = std::make_shared<Spy>(runtime, files, to_file());
  const auto second = std::make_shared<Spy>(runtime, files, to_file());
  for (const auto& spy : {first, second}) {
    const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
    db->observe(spy);
    db->execute("select 1");
  }
  EXPECT_EQ(lines(files).size(), 2U);
  EXPECT_EQ(first->dropped() + second->dropped(), 0U);
}

// A sink that hangs holds nobody up.
WORLD_TEST(Spy, IsTakenAwayInAMomentWhateverItsSinkDoes) {
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.sinks = {std::make_shared<SlowSink>(runtime, 1h)}});
  db->observe(spy);
  db->execute("select 1");
  const auto before = runtime.now();
  db->observe(nullptr);
  EXPECT_LE(runtime.now() - before, 2s);
}

TEST(Spy, LosesNoWholeLineHoweverTheTasksAndTheDiskBehave) {
  world::for_seeds(60, [](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      auto& files = world.files();
      const auto db = open(runtime, files, base::Url::parse("sqlite::memory:?max_connections=4"));
      auto options = to_file();
      options.file->max_bytes = 20'000;
      options.file->files = 1000;
      options.queue = {.records = 64, .every = 1ms};
      const auto spy = std::make_shared<Spy>(runtime, files, options);
      db->observe(spy);
      world.machine().disk().options().write_error_rate = 0.1;
      std::vector<base::Task> tasks;
      for (int task = 0; task < 4; ++task) {
        tasks.push_back(runtime.spawn("writer", [&](const std::stop_token&) {
          for (int i = 0; i < 50; ++i) {
            db->execute("select 1");
            if (world.chance(0.3)) runtime.sleep_for(1ms);
          }
        }));
      }
      for (auto& task : tasks) task.join();
      ASSERT_TRUE(spy->flush(runtime.in(10min)));
      std::uint64_t statements = 0;
      for (const auto& name : files.list("/")) {
        if (!name.starts_with("spy.log")) continue;
        for (const auto& each : lines(files, "/" + name)) statements += each["category"] == "statement" ? 1 : 0;
      }
      EXPECT_EQ(statements + spy->dropped(), 200U);
    });
  });
}

TEST(Spy, RefusesOptionsThatCannotBe) {
  world::World world(1);
  world.run([&](base::Runtime& runtime) {
    EXPECT_THROW_CODE(Spy(runtime, world.files(), {.filter = {.include = {"("}}}), Code::invalid_argument);
    EXPECT_THROW_CODE(Spy(runtime, world.files(), {.file = FileOptions{}}), Code::invalid_argument);
    EXPECT_THROW_CODE(Spy(runtime, world.files(), {.file = FileOptions{.path = "x", .files = 0}}),
                      Code::invalid_argument);
    EXPECT_THROW_CODE(Spy(runtime, world.files(),
                          {.file = FileOptions{.path = "x"}, .format = {.format = Format::custom, .custom = "%(x)"}}),
                      Code::invalid_argument);
  });
}

// The kernel's own full disk.
TEST(SpyReal, GoesOnWithoutADiskThatIsReallyFull) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  if (!files.info("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  Told told;
  {
    const auto spy =
        std::make_shared<Spy>(runtime, files, Options{.file = FileOptions{.path = "/dev/full"}, .say = told.say()});
    db->observe(spy);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(db->one<int>("select ?", i), i);
    ASSERT_TRUE(spy->flush(runtime.in(1min)));
    EXPECT_EQ(spy->dropped(), 1000U);
    db->observe(nullptr);
  }
  ASSERT_EQ(told.texts.size(), 1U);
  EXPECT_THAT(told.texts[0], HasSubstr("/dev/full"));
}

// A file system in memory that is this small. Mounting wants privileges.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    mounted_ = ::mount("tidelock-test", path_.c_str(), "tmpfs", 0, "size=128k") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool is_mounted() const { return mounted_; }

 private:
  const std::string path_;
  bool mounted_ = false;
};

TEST(SpyReal, ADiskThatFillsUpHoldsWholeLinesAndIsWrittenAgainWhenItHasRoom) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const base::testing::TempFolder folder;
  const SmallDisk disk((folder / "disk").string());
  if (!disk.is_mounted()) GTEST_SKIP() << "this user may not mount a file system";
  const auto log = (folder / "disk/spy.log").string();
  const auto other = (folder / "disk/other").string();
  std::ofstream(other) << std::string(64 << 10, 'x');
  const auto db = open(runtime, files, base::Url::parse("sqlite::memory:"));
  Told told;
  const auto spy = std::make_shared<Spy>(runtime, files, Options{.file = FileOptions{.path = log}, .say = told.say()});
  db->observe(spy);
  constexpr int kStatements = 1000;
  for (int i = 0; i < kStatements; ++i) EXPECT_EQ(db->one<int>("select ?", i), i);
  ASSERT_TRUE(spy->flush(runtime.in(1min)));
  // A few statements may find room behind a gap, which is a line of its own.
  std::size_t written = 0;
  for (const auto& line : lines(files, log)) {
    if (line.dump().find("missing here") == std::string::npos) ++written;
  }
  EXPECT_GT(written, 10U);
  EXPECT_GT(spy->dropped(), 10U);
  EXPECT_EQ(written + spy->dropped(), static_cast<std::size_t>(kStatements));
  EXPECT_THAT(told.texts, Contains(HasSubstr("spy.log")));

  files.remove(other);
  EXPECT_EQ(db->one<int>("select 7"), 7);
  ASSERT_TRUE(spy->flush(runtime.in(1min)));
  const auto all = lines(files, log);
  ASSERT_GT(all.size(), written);
  EXPECT_EQ(all.back()["sql"], "select 7");
  db->observe(nullptr);
}

}  // namespace
}  // namespace tidelock::sql::spy
#endif
