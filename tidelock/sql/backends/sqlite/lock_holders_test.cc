// A database that another process keeps locked: who that is, and who it is not.
#include "tidelock/sql/backends/sqlite/lock_holders.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "tidelock/base/process.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::sqlite {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHolderVariable = "TIDELOCK_TEST_SQLITE_TO_HOLD";
constexpr const char* kHeld = "held\n";

// The real files, by another name: SQLite reaches them through Tidelock's own VFS, whose locks belong to an opening.
class OtherFiles final : public base::Files {
 public:
  explicit OtherFiles(base::Runtime& runtime) : real_(runtime) {}
  std::unique_ptr<base::File> open(const base::Path& path, base::OpenMode mode) override {
    return real_.open(path, mode);
  }
  std::optional<base::FileInfo> info(const base::Path& path) override { return real_.info(path); }
  void rename(const base::Path& from, const base::Path& to) override { real_.rename(from, to); }
  bool remove(const base::Path& path) override { return real_.remove(path); }
  void create_folders(const base::Path& path) override { real_.create_folders(path); }
  std::vector<std::string> list(const base::Path& folder) override { return real_.list(folder); }
  void create_symlink(const base::Path& target, const base::Path& link) override { real_.create_symlink(target, link); }
  base::Path read_symlink(const base::Path& link) override { return real_.read_symlink(link); }
  void set_mode(const base::Path& path, unsigned permissions) override { real_.set_mode(path, permissions); }
  void sync_folder(const base::Path& folder) override { real_.sync_folder(folder); }
  std::unique_ptr<base::Watch> watch(const base::Path& path) override { return real_.watch(path); }

 private:
  base::RealFiles real_;
};

class SqliteLockHoldersTest : public ::testing::Test {
 protected:
  std::unique_ptr<Database> open() {
    return sql::open(runtime_, files_, base::Url::parse("sqlite:" + path_ + "?busy_timeout=10ms"));
  }
  // Python's own SQLite, once it has run these statements on the file.
  base::ChildProcess start_python(const std::string& statements) {
    const std::string program =
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for sql in sys.argv[2].split(';'): db.execute(sql).fetchall()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n";
    return start({.argv = {"python3", "-c", program, path_, statements}});
  }
  // This test in another process, up to holds_as_child().
  base::ChildProcess start_itself() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    return start(
        {.argv = {"/proc/self/exe", std::string("--gtest_filter=") + test->test_suite_name() + "." + test->name()},
         .env = {{kHolderVariable, path_}}});
  }
  bool holds_as_child() {
    const char* path = std::getenv(kHolderVariable);
    if (path == nullptr) return false;
    OtherFiles files(runtime_);
    const auto db = sql::open(runtime_, files, base::Url::parse(std::string("sqlite:") + path));
    auto connection = db->connect();
    const auto writing = connection.begin();
    std::cout << kHeld << std::flush;
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return true;
  }
  template <typename Call>
  std::string refusal(Call&& call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(name(error.code()), name(Code::database_locked)) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing was locked";
    return {};
  }
  std::string named(const base::ChildProcess& holder) {
    return "\"" + path_ + "\" is held by process " + std::to_string(holder.pid()) + " (\"";
  }

  base::testing::TempFolder folder_;
  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  const std::string path_ = (folder_ / "shop.db").string();

 private:
  base::ChildProcess start(base::Command command) {
    command.in = base::Stream::pipe();
    command.out = base::Stream::pipe();
    base::ChildProcess child(runtime_, command);
    std::string heard;
    char byte = 0;
    while (heard.find(kHeld) == heard.npos && ::read(child.out().get(), &byte, 1) == 1) heard += byte;
    EXPECT_THAT(heard, HasSubstr(kHeld));
    return child;
  }
};

TEST_F(SqliteLockHoldersTest, WhoeverWritesInAnotherProcessIsNamed) {
  const auto db = open();
  db->execute("create table t (a integer)");
  auto holder = start_python("begin immediate");
  auto connection = db->connect();
  const auto told = AllOf(HasSubstr(named(holder)), HasSubstr("python3 -c import sqlite3"),
                          HasSubstr("wait for it to end"), HasSubstr("busy_timeout"));
  EXPECT_THAT(refusal([&] { db->execute("insert into t values (1)"); }), told);
  EXPECT_THAT(refusal([&] { connection.begin(); }), told);
  EXPECT_THAT(refusal([&] { connection.begin({.lock_timeout = 0ms}); }), told);
  EXPECT_THAT(refusal([&] { connection.script("insert into t values (1)"); }), told);
  holder.in().reset();
  ASSERT_TRUE(holder.wait(runtime_.in(1min)));
  EXPECT_EQ(db->execute("insert into t values (1)"), 1);
}

TEST_F(SqliteLockHoldersTest, WhoeverKeepsADatabaseFromBeingOpenedIsNamed) {
  {
    const auto holder = start_python("create table t (a integer);begin exclusive");
    EXPECT_THAT(refusal([&] { open(); }), HasSubstr(named(holder)));
  }
  const auto reader = start_python("begin;select * from t");  // In the way of a write-ahead log.
  EXPECT_THAT(refusal([&] { open(); }), HasSubstr(named(reader)));
}

TEST_F(SqliteLockHoldersTest, TidelocksOwnFilesAreSeenToo) {
  if (holds_as_child()) return;
  const auto db = open();
  db->execute("create table t (a integer)");
  const auto holder = start_itself();
  EXPECT_THAT(refusal([&] { db->execute("insert into t values (1)"); }), HasSubstr(named(holder)));
}

TEST_F(SqliteLockHoldersTest, NeitherAReaderNorThisProcessIsNamed) {
  const auto db = open();
  db->execute("create table t (a integer)");
  const auto reader = start_python("begin;select * from t");
  auto connection = db->connect();
  const auto writing = connection.begin();
  EXPECT_THAT(refusal([&] { db->execute("insert into t values (1)"); }),
              AllOf(HasSubstr("another connection holds the lock"), Not(HasSubstr("process"))));
}

WORLD_TEST(SqliteLockHolders, InAWorldNobodyIsNamed) {
  const auto db = sql::open(runtime, files, base::Url::parse("sqlite:/shop.db?busy_timeout=10ms"));
  auto connection = db->connect();
  const auto writing = connection.begin();
  try {
    db->connect().begin();
    ADD_FAILURE() << "nothing was locked";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("another connection holds the lock: /shop.db"));
  }
}

}  // namespace
}  // namespace tidelock::sql::sqlite
