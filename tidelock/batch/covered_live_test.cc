// A unit of work on a real server whose tables are, unless one says otherwise, of a kind that no transaction covers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/batch/testing/bench.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/sql/testing/turn.h"

namespace tidelock::batch {
namespace {

using testing::Bench;
using ::testing::HasSubstr;
using testing::job_of;
using testing::record_of;

class CoveredTables : public ::testing::Test {
 protected:
  void SetUp() override {
    TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_PLAIN");
    TIDELOCK_NEEDS_VARIABLE("TIDELOCK_TEST_MARIADB_PLAIN_PID");
    turn_.emplace(std::filesystem::path(std::getenv("TIDELOCK_TEST_MARIADB_PLAIN_PID")).parent_path());
    own_.emplace(runtime_, files_, "TIDELOCK_TEST_MARIADB_PLAIN");
    set_default("Aria");
    auto urls = testing::bench_files(folder_.path());
    urls.store = own_->url();
    bench_ = std::make_unique<Bench>(runtime_, files_, urls);
    testing::write_file(files_, folder_ / "items.csv", "id\n1\n2\n3\n");
  }
  void TearDown() override {
    if (own_) set_default("InnoDB");
  }
  void set_default(const std::string& engine) { own_->admin().script("set global default_storage_engine = " + engine); }

  RunResult load() {
    const ChunkStep step{.source = CsvSource{folder_ / "items.csv"},
                         .record = record_of({"id integer"}),
                         .write = {.table = "item"},
                         .chunk_rows = 2};
    return bench_->run(job_of(step));
  }
  int items() { return bench_->store().one<int>("select count(*) from item"); }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder folder_;
  std::optional<sql::testing::Turn> turn_;
  std::optional<sql::testing::OwnDatabase> own_;
  std::unique_ptr<Bench> bench_;
};

// Else the checkpoint would stay moved when its unit is rolled back, and the unit be missing.
TEST_F(CoveredTables, OursAreAlwaysSuch) {
  bench_->store().script("create table item (id integer) engine = InnoDB");
  const auto result = load();
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(items(), 3);
  EXPECT_EQ(bench_->store().one<std::string>(
                "select group_concat(distinct engine) from information_schema.tables where table_schema = database()"),
            "InnoDB");
}

TEST_F(CoveredTables, OursAreRefusedWhereSomebodyMadeThemOtherwise) {
  bench_->store().script("create table item (id integer) engine = InnoDB");
  ASSERT_EQ(load().status, RunStatus::completed);
  bench_->store().script("alter table tidelock_checkpoint engine = Aria");
  const auto result = load();
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_THAT(result.reason, HasSubstr("alter table tidelock_checkpoint engine = InnoDB"));
  EXPECT_EQ(items(), 3);
}

TEST_F(CoveredTables, ATableThatRowsAreWrittenToMustBeSuch) {
  bench_->store().script("create table item (id integer)");
  auto result = load();
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_THAT(result.reason, HasSubstr("kept by Aria: alter table item engine = InnoDB"));
  EXPECT_EQ(items(), 0);
  bench_->store().script("alter table item engine = InnoDB");
  result = load();
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_EQ(items(), 3);
}

}  // namespace
}  // namespace tidelock::batch
