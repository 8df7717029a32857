// Publishing real files, by the program in processes of its own.
#include "tidelock/replica/publisher.h"

#include <sys/stat.h>

#include <string>

#include "tidelock/replica/testing/replica_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::replica {
namespace {

using namespace std::chrono_literals;

class PublisherOnFiles : public testing::ReplicaTest {};

TEST_F(PublisherOnFiles, AReplicaOfAnOpenDuckDbMasterIsReadByAnybody) {
  const auto owner = open_master();
  owner->script("create table price (symbol varchar, price double); insert into price values ('AAPL', 189.5)");
  const auto manifest = publish(owner.get());
  EXPECT_EQ(manifest.engine, "duckdb");
  EXPECT_EQ(manifest.version.sequence, 1U);
  EXPECT_EQ(open_plainly()->one<double>("select price from price"), 189.5);
  Reader reader(runtime_, files_, folder_path());
  EXPECT_EQ(reader.connect().one<double>("select price from price"), 189.5);
  EXPECT_EQ(reader.version(), manifest.version);
}

TEST_F(PublisherOnFiles, AReplicaOfAnSqliteMasterInWalModeIsInRollbackMode) {
  const auto owner = open_master("sqlite");
  owner->script("pragma journal_mode = wal; create table t (i integer); insert into t values (7)");
  const auto manifest = publish();
  EXPECT_EQ(manifest.engine, "sqlite");
  EXPECT_EQ(open_plainly("sqlite")->one<std::string>("pragma journal_mode"), "delete");
  EXPECT_EQ(open_plainly("sqlite")->one<int>("select i from t"), 7);
}

TEST_F(PublisherOnFiles, FilesAreForReadingOnly) {
  const auto owner = open_master();
  publish(owner.get());
  struct stat state {};
  ASSERT_EQ(::stat(folder().file(1).c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0444U);
}

}  // namespace
}  // namespace tidelock::replica
