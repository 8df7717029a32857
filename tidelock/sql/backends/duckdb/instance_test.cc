#include "tidelock/sql/backends/duckdb/instance.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tidelock/base/process.h"
#include "tidelock/sql/backends/duckdb/errors.h"
#include "tidelock/sql/backends/duckdb/testing/duckdb_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

using namespace std::chrono_literals;
using testing::error_of;
using ::testing::HasSubstr;
using testing::kNever;
using testing::number;
using testing::run;

constexpr const char* kHolderVariable = "TIDELOCK_TEST_DUCKDB_TO_HOLD";
constexpr const char* kHeld = "the database is held\n";

class DuckDbInstance : public testing::DuckDbTest {
 protected:
  Settings read_only() const {
    auto s = settings();
    s.read_only = true;
    return s;
  }
  // A closed database with a table t of 100 000 rows.
  void make_database() {
    const auto made = session();
    run(*made, "create table t as select i from range(100000) r(i)");
    driver_.reset();
  }
  void overwrite(std::uint64_t offset, std::string_view bytes) {
    std::fstream file(settings().path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  Error open_error(const Settings& s) {
    return error_of([&] { open(s)->open(kNever, {})->run_script("select * from t", kNever); });
  }
  // Another process that runs the current test up to holds_as_child().
  base::Command child_command() const {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    return {.argv = {"/proc/self/exe", std::string("--gtest_filter=") + test->test_suite_name() + "." + test->name()},
            .env = {{kHolderVariable, settings().path}},
            .in = base::Stream::pipe(),
            .out = base::Stream::pipe(),
            .err = base::Stream::null()};
  }
  // In that process: holds the database until its input ends, and returns true.
  bool holds_as_child() {
    const char* path = std::getenv(kHolderVariable);
    if (path == nullptr) return false;
    Settings held;
    held.path = path;
    const auto driver = open(held);
    std::cout << kHeld << std::flush;
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return true;
  }
  static void wait_until_held(base::ChildProcess& child) {
    std::string heard;
    char byte = 0;
    while (heard.find(kHeld) == heard.npos && ::read(child.out().get(), &byte, 1) == 1) heard += byte;
    ASSERT_THAT(heard, HasSubstr(kHeld));
  }
};

TEST_F(DuckDbInstance, TwoOpensOfOneFileAreOneDatabase) {
  const auto first = open(settings());
  const auto second = open(settings());
  run(*first->open(kNever, {}), "create table t as select 7::bigint as i");
  EXPECT_EQ(number(*second->open(kNever, {}), "select i from t"), 7);
  EXPECT_EQ(Instance::open(runtime_, files_, settings()), Instance::open(runtime_, files_, settings()));
}

TEST_F(DuckDbInstance, OneFileIsOneDatabaseHoweverItsPathIsSpelled) {
  std::filesystem::create_directory(folder_ / "sub");
  std::filesystem::create_symlink(folder_ / "test.duckdb", folder_ / "sub" / "link.duckdb");
  const auto instance = Instance::open(runtime_, files_, settings());
  EXPECT_EQ(Instance::open(runtime_, files_, settings("sub/../test.duckdb")), instance);
  EXPECT_EQ(Instance::open(runtime_, files_, settings("sub/link.duckdb")), instance);
  Settings relative;
  relative.path = std::filesystem::relative(folder_ / "test.duckdb").string();
  EXPECT_EQ(Instance::open(runtime_, files_, relative), instance);
}

TEST_F(DuckDbInstance, TwoRuntimesShareADatabaseToo) {
  base::RealRuntime other_runtime;
  base::RealFiles other_files(other_runtime);
  DuckDriver other(other_runtime, other_files, settings());
  run(*other.open(kNever, {}), "create table t as select 7::bigint as i");
  EXPECT_EQ(number(*session(), "select i from t"), 7);
}

TEST_F(DuckDbInstance, ADatabaseIsSharedByTasksThatOpenAndCloseItAllTheTime) {
  run(*session(), "create table t (i int)");
  driver_.reset();
  std::vector<base::Task> tasks;
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(runtime_.spawn("opener", [this](const std::stop_token&) {
      for (int n = 0; n < 15; ++n) {
        const auto mine = open(settings())->open(kNever, {});
        mine->begin({});
        run(*mine, "insert into t values (1)");
        mine->commit(false);
      }
    }));
  }
  for (auto& task : tasks) task.join();
  EXPECT_EQ(number(*session(), "select count(*) from t"), 60);
}

TEST_F(DuckDbInstance, OtherSettingsForAnOpenFileAreRefusedAndBothAreNamed) {
  driver();
  auto threads = settings();
  threads.options["threads"] = "1";
  for (const auto& other : {read_only(), threads}) {
    const auto error = error_of([&] { open(other); });
    EXPECT_EQ(error.code(), Code::misuse);
    EXPECT_THAT(error.what(), HasSubstr("(mode=rw, now asked for: " + other.to_string() + ")"));
  }
  run(*session(), "set global preserve_insertion_order = false");  // What was changed since does not count.
  EXPECT_NO_THROW(open(settings()));
  driver_.reset();
  EXPECT_NO_THROW(open(threads));
}

TEST_F(DuckDbInstance, AFileThatAnotherProcessHoldsIsLockedAndTheProcessIsNamed) {
  if (holds_as_child()) return;
  base::ChildProcess holder(runtime_, child_command());
  wait_until_held(holder);
  for (const auto& mine : {settings(), read_only()}) {
    const auto error = error_of([&] { open(mine); });
    EXPECT_EQ(error.code(), Code::database_locked);
    EXPECT_EQ(error.disposition(), Disposition::retry_call);
    EXPECT_THAT(error.what(), HasSubstr("process " + std::to_string(holder.pid()) + " ("));
    EXPECT_THAT(error.what(), HasSubstr("--gtest_filter="));
    EXPECT_THAT(error.what(), HasSubstr("wait for it to end"));
    EXPECT_EQ(error.object(), settings().path);
  }
  holder.signal(SIGKILL);
  ASSERT_TRUE(holder.wait(runtime_.in(60s)));
  EXPECT_NO_THROW(open(settings()));
}

// The lock is the process's: any other open and close of the file in here would drop it.
TEST_F(DuckDbInstance, TheLockSurvivesEverythingThatIsDoneWithTheFileInThisProcess) {
  if (holds_as_child()) return;
  driver();
  error_of([&] { open(read_only()); });
  open(settings())->open(kNever, {});
  Settings missing = settings("missing.duckdb");
  missing.read_only = true;
  error_of([&] { open(missing); });
  base::ChildProcess child(runtime_, child_command());
  child.in() = {};
  const auto end = child.wait(runtime_.in(60s));
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 1);  // database_locked.
}

TEST_F(DuckDbInstance, AFileThatWasRenamedIsTheSameDatabaseByItsNewName) {
  run(*session(), "create table t as select 7::bigint as i");
  std::filesystem::rename(settings().path, settings("new.duckdb").path);
  EXPECT_EQ(number(*open(settings("new.duckdb"))->open(kNever, {}), "select i from t"), 7);
}

TEST_F(DuckDbInstance, AnotherFileOfTheSameNameIsAnotherDatabaseToRead) {
  make_database();
  const auto old = open(read_only());
  std::filesystem::rename(settings().path, settings("old.duckdb").path);
  auto other = settings("other.duckdb");
  run(*open(other)->open(kNever, {}), "create table t as select 7::bigint as i");
  std::filesystem::rename(other.path, settings().path);
  const auto now = open(read_only());
  EXPECT_EQ(number(*now->open(kNever, {}), "select max(i) from t"), 7);
  EXPECT_EQ(number(*old->open(kNever, {}), "select count(*) from t"), 100'000);
  EXPECT_EQ(Instance::open(runtime_, files_, read_only()), Instance::open(runtime_, files_, read_only()));
}

TEST_F(DuckDbInstance, AFileThatIsOpenIsNotAttachedToAnotherDatabaseOfTheProcess) {
  const auto open_already = session();
  const auto other = open(settings("other.duckdb"))->open(kNever, {});
  const auto error = error_of([&] { run(*other, "attach '" + settings().path + "' as again"); });
  EXPECT_THAT(error.what(), HasSubstr("already attached"));
}

// Both would have the log beside that name.
TEST_F(DuckDbInstance, AnotherFileOfTheSameNameIsNotWrittenBesideTheOneThatIsOpen) {
  run(*session(), "create table t as select 7::bigint as i");
  std::filesystem::rename(settings().path, settings("old.duckdb").path);
  auto other = settings("other.duckdb");
  run(*open(other)->open(kNever, {}), "create table t as select 8::bigint as i");
  std::filesystem::rename(other.path, settings().path);
  for (const auto& mine : {settings(), read_only()}) {
    const auto error = error_of([&] { open(mine); });
    EXPECT_EQ(error.code(), Code::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("is another file now"));
  }
  driver_.reset();
  EXPECT_EQ(number(*session(), "select i from t"), 8);
}

TEST_F(DuckDbInstance, AReadOnlyDatabaseIsReadByManyAndRefusesWrites) {
  make_database();
  const auto reader = open(read_only());
  const auto session = reader->open(kNever, {});
  EXPECT_EQ(number(*session, "select count(*) from t"), 100'000);
  EXPECT_THROW_CODE(run(*session, "insert into t values (1)"), Code::read_only);
  EXPECT_THROW_CODE(run(*session, "create table u (i int)"), Code::read_only);
}

TEST_F(DuckDbInstance, PathsThatAreNoDatabaseAreRefused) {
  EXPECT_THROW_CODE(open(read_only()), Code::not_found);
  EXPECT_THROW_CODE(open(settings("nowhere/test.duckdb")), Code::not_found);
  EXPECT_THROW_CODE(open(settings(".")), Code::invalid_argument);
  std::filesystem::create_symlink("circle", folder_ / "circle");
  EXPECT_THROW_CODE(open(settings("circle")), Code::invalid_argument);
  EXPECT_THAT(std::filesystem::exists(folder_ / "nowhere"), false);
}

TEST_F(DuckDbInstance, FilesOfAnotherKindAreNoDatabase) {
  std::ofstream(settings().path) << "hello, this is no database, but text that goes on for a while";
  EXPECT_EQ(open_error(settings()).code(), Code::not_a_database);
  std::ofstream(settings().path, std::ios::trunc).flush();
  EXPECT_EQ(open_error(settings()).code(), Code::not_a_database);
  std::string sqlite("SQLite format 3\0", 16);
  sqlite.resize(4096);
  std::ofstream(settings().path, std::ios::binary) << sqlite;
  const auto error = open_error(settings());
  EXPECT_EQ(error.code(), Code::not_a_database);
  EXPECT_THAT(error.what(), HasSubstr("sqlite:"));
}

TEST_F(DuckDbInstance, ADamagedFileIsCorrupt) {
  make_database();
  overwrite(4096 + 100, "damage");
  overwrite(8192 + 100, "damage");
  const auto error = open_error(settings());
  EXPECT_EQ(error.code(), Code::corrupt) << error.what();
  EXPECT_EQ(error.object(), settings().path);
}

TEST_F(DuckDbInstance, ATruncatedFileIsCorrupt) {
  make_database();
  std::filesystem::resize_file(settings().path, 5000);
  EXPECT_EQ(open_error(settings()).code(), Code::corrupt);
}

TEST_F(DuckDbInstance, AFileOfANewerVersionIsToldFromADamagedOne) {
  make_database();
  overwrite(12, std::string("\xe7\x03\0\0\0\0\0\0", 8));  // The storage version: 999.
  // The header carries a checksum; the engine says what it should be.
  const std::string text = open_error(settings()).native()->message;
  const auto begin = text.find("computed checksum ") + std::strlen("computed checksum ");
  const std::uint64_t checksum = std::stoull(text.substr(begin));
  overwrite(0, {reinterpret_cast<const char*>(&checksum), sizeof checksum});
  const auto error = open_error(settings());
  EXPECT_EQ(error.code(), Code::newer_schema) << error.what();
}

TEST_F(DuckDbInstance, AnEncryptedFileIsNotOpened) {
  {
    const auto memory = open(Settings{})->open(kNever, {});
    run(*memory, "set global force_mbedtls_unsafe = true");
    run(*memory, "attach '" + settings().path + "' as e (encryption_key 'secret')");
    run(*memory, "create table e.t (i int)");
  }
  const auto error = open_error(settings());
  EXPECT_EQ(error.code(), Code::not_a_database) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("encrypted"));
}

TEST_F(DuckDbInstance, AFailedOpenLeavesNothingBehind) {
  std::ofstream(settings().path) << "hello, this is no database, but text that goes on for a while";
  EXPECT_THROW(open(settings()), Error);
  std::filesystem::remove(settings().path);
  EXPECT_NO_THROW(open(settings()));
}

}  // namespace
}  // namespace tidelock::sql::duckdb
