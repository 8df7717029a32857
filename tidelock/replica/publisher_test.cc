// Publishing real files, by the program in processes of its own.
#include "tidelock/replica/publisher.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/process.h"
#include "tidelock/replica/checkpoint_hold.h"
#include "tidelock/replica/health.h"
#include "tidelock/replica/testing/plain_reader.h"
#include "tidelock/replica/testing/replica_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::replica {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto kThreshold = "select value from duckdb_settings() where name = 'checkpoint_threshold'";

class PublisherOnFiles : public testing::ReplicaTest {};

class PublisherOnSqliteFiles : public testing::ReplicaTest {
  void SetUp() override {}
};

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

// Also while versions are replaced and removed as fast as that goes.
TEST_F(PublisherOnFiles, AnotherProgramThatOpensTheLinkByTheEngineItselfAlwaysReads) {
  constexpr int kVersions = 10;
  const auto owner = open_master();
  owner->script("create table t as select 0 as i, 7 as seven");
  publish(owner.get());
  testing::PlainReader plain(runtime_, "duckdb", folder().current(), "select max(i) from t");
  EXPECT_EQ(plain.read(), "0");
  int reads = 0;
  auto reading = runtime_.spawn("another program", [&](const std::stop_token& stop) {
    testing::PlainReader other(runtime_, "duckdb", folder().current(), "select max(seven) from t");
    for (; !stop.stop_requested() && !HasFailure(); ++reads) EXPECT_EQ(other.read(), "7");
  });
  Publisher publisher(runtime_, files_, *locks_, options(1));
  for (int i = 1; i <= kVersions; ++i) {
    owner->execute("insert into t values (?, 7)", i);
    publisher.publish(owner.get());
    EXPECT_EQ(plain.read(), std::to_string(i));
  }
  reading.request_stop();
  reading.join();
  EXPECT_GT(reads, 0);
}

TEST_F(PublisherOnSqliteFiles, AnotherProgramThatOpensTheLinkByTheEngineItselfReads) {
  open_master("sqlite")->script("create table t as select 7 as i");
  publish();
  testing::PlainReader plain(runtime_, "sqlite", folder().current(), "select i from t");
  EXPECT_EQ(plain.read(), "7");
  open_master("sqlite")->script("update t set i = 8");
  publish();
  EXPECT_EQ(plain.read(), "8");
}

TEST_F(PublisherOnSqliteFiles, AReplicaOfAnSqliteMasterInWalModeIsInRollbackMode) {
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

TEST_F(PublisherOnFiles, TheOwnersLockOnItsMasterIsNotDropped) {
  const auto owner = open_master();
  publish(owner.get());
  // An open file description of its own: refused as long as the owner has its lock.
  const auto probe = R"(import fcntl, struct, sys
f = open(sys.argv[1], "r+")
lock = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
fcntl.fcntl(f, fcntl.F_SETLK, lock))";
  base::Command command{.argv = {"python3", "-c", probe, master().string()}, .err = base::Stream::null()};
  EXPECT_NE(base::ChildProcess(runtime_, command).wait()->code, 0);
  owner->script("create table t (i int)");
}

TEST_F(PublisherOnFiles, WritersGoOnWhileTheirMasterIsPublishedAndTheirLogStaysOut) {
  const auto owner = open_master();
  owner->script("create table t as select i from range(100000) r(i)");
  const auto threshold = owner->one<std::string>(kThreshold);
  publish(owner.get());
  publish(owner.get());
  owner->script("insert into t values (-1)");
  EXPECT_EQ(open_plainly()->one<std::int64_t>("select count(*) from t"), 100'000);
  EXPECT_EQ(owner->one<std::string>(kThreshold), threshold);
  EXPECT_EQ(publish(owner.get()).left_out_bytes, 0U);
  EXPECT_EQ(open_plainly()->one<std::int64_t>("select count(*) from t"), 100'001);
}

TEST_F(PublisherOnFiles, TheOwnersOwnCheckpointThresholdComesBack) {
  const auto owner = open("duckdb:" + master().string() + "?checkpoint_threshold=64MiB");
  publish(owner.get());
  EXPECT_EQ(owner->one<std::string>(kThreshold), "64.0 MiB");
}

TEST_F(PublisherOnFiles, WithoutItsOwnerAMasterIsCopiedAsItsLastCheckpointLeftIt) {
  const auto owner = open_master();
  owner->script("create table t as select 1 as i; checkpoint; insert into t values (2)");
  const auto manifest = publish();  // As another process would: the helper is one.
  EXPECT_GT(manifest.left_out_bytes, 0U);
  EXPECT_EQ(open_plainly()->one<std::int64_t>("select count(*) from t"), 1);
}

TEST_F(PublisherOnFiles, ALogThatNobodyOwnsIsNotLeftOutInSilence) {
  {
    const auto owner = open_master();
    owner->script("create table t as select 1 as i; checkpoint; insert into t values (2)");
    files_.write_atomically(temp_ / "kept.wal", files_.read(base::Path(master()) += ".wal"));
  }
  files_.rename(temp_ / "kept.wal", base::Path(master()) += ".wal");
  EXPECT_THROW_CODE(publish(), Code::unsupported);
  EXPECT_FALSE(files_.info(folder().current()));
  open_master()->one<std::int64_t>("select count(*) from t");  // Which brings the log in.
  publish();
}

TEST_F(PublisherOnFiles, WhatIsNoDatabaseIsRefusedAndTheLastGoodVersionStays) {
  open_master()->script("create table t as select 1 as i");
  publish();
  for (const std::string content : {"", "hello", "a text that is longer than the header of any database would need"}) {
    files_.write_atomically(master(), content);
    EXPECT_THROW_CODE(publish(), Code::not_a_database);
  }
  files_.write_atomically(master(), std::string("SQLite format 3\0", 16) + std::string(5000, 'x'));
  EXPECT_THROW_CODE(publish(), Code::not_a_database);
  EXPECT_EQ(folder().current_sequence(), 1U);
  EXPECT_EQ(open_plainly()->one<std::int64_t>("select i from t"), 1);
}

TEST_F(PublisherOnFiles, AnEncryptedMasterIsRefused) {
  const auto memory = open("duckdb::memory:");
  memory->script("set global force_mbedtls_unsafe = true; attach '" + master().string() +
                 "' as e (encryption_key 'secret'); create table e.t (i int); detach e");
  try {
    publish();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_a_database);
    EXPECT_THAT(error.what(), HasSubstr("encrypted"));
  }
}

TEST_F(PublisherOnFiles, AMasterWhoseHeaderIsDamagedIsRefused) {
  open_master()->script("create table t as select 1 as i");
  auto bytes = files_.read(master());
  for (std::size_t at = 4096; at < 12288; at += 64) bytes[at] = static_cast<char>(bytes[at] ^ 1);
  files_.write_atomically(master(), bytes);
  EXPECT_THROW_CODE(publish(), Code::corrupt);
}

TEST_F(PublisherOnFiles, ABlockThatIsDamagedAndInUseIsFoundByTheCheck) {
  open_master()->script("create table t as select i, hash(i) as h from range(300000) r(i)");
  auto bytes = files_.read(master());
  for (std::size_t at = 12288 + 262144 + 5000; at < bytes.size() - 262144; at += 262144) bytes[at] ^= 1;
  files_.write_atomically(master(), bytes);
  EXPECT_THROW(publish(), Error);
  EXPECT_FALSE(files_.info(folder().current()));
}

TEST_F(PublisherOnFiles, AMasterThatLiesInItsReplicaIsRefused) {
  open_master()->script("create table t as select 1 as i");
  publish();
  auto wrong = options();
  wrong.master = folder().current();
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, wrong).publish(), Code::invalid_argument);
  wrong = options();
  wrong.folder = master();
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, wrong).publish(), Code::invalid_argument);
  wrong = options();
  wrong.master = temp_ / "missing.db";
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, wrong).publish(), Code::not_found);
  wrong.master = temp_.path();
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, wrong).publish(), Code::invalid_argument);
}

TEST_F(PublisherOnFiles, AnotherDatabaseIsNotTakenForTheOwner) {
  open_master()->script("create table t as select 1 as i");
  const auto other = open("duckdb:" + (temp_ / "other.db").string());
  EXPECT_THROW_CODE(publish(other.get()), Code::invalid_argument);
}

TEST_F(PublisherOnFiles, ForeignFilesInTheFolderAreLeftAlone) {
  open_master()->script("create table t as select 1 as i");
  files_.create_folders(folder().versions());
  const std::vector<base::Path> foreign = {folder_path() / "notes.txt",
                                           folder().versions() / "README",
                                           folder().versions() / "0000000007.db",
                                           folder().versions() / "0000000007.db-wal",
                                           folder().versions() / "0000000007.db.wal",
                                           folder().versions() / "0000000009.json"};
  for (const auto& path : foreign) files_.write_atomically(path, "mine");
  EXPECT_EQ(publish().version.sequence, 10U);  // No name that is taken is given out.
  publish();
  for (const auto& path : foreign) EXPECT_EQ(files_.read(path), "mine") << path;
}

TEST_F(PublisherOnFiles, ALinkThatNobodyHereMadeIsNotReplaced) {
  open_master()->script("create table t as select 1 as i");
  files_.create_folders(folder_path());
  files_.write_atomically(folder().current(), "mine");
  EXPECT_THROW_CODE(publish(), Code::already_exists);
  EXPECT_EQ(files_.read(folder().current()), "mine");
}

TEST_F(PublisherOnFiles, ALogBesideAVersionIsRemovedBeforeTheVersionIsSeen) {
  open_master()->script("create table t as select 1 as i");
  publish();
  const auto stale = base::Path(folder().file(2)) += ".wal";
  files_.write_atomically(stale, "stale");
  files_.write_atomically(base::Path(folder().current()) += ".wal", "stale");
  publish();
  EXPECT_FALSE(files_.info(stale));
  EXPECT_FALSE(files_.info(base::Path(folder().current()) += ".wal"));
}

TEST_F(PublisherOnFiles, AMasterThatWasPutBackBeginsANewEpoch) {
  open_master()->script("create table t as select 1 as i");
  const auto backup = files_.read(master());
  const auto first = publish();
  open_master()->script("insert into t values (2)");
  const auto second = publish();
  EXPECT_EQ(second.version.epoch, first.version.epoch);
  files_.write_atomically(master(), backup);
  const auto third = publish();
  EXPECT_NE(third.version.epoch, second.version.epoch);
  EXPECT_GT(third.version.sequence, second.version.sequence);
}

// By another file whose number is higher than the old one's ever was.
TEST_F(PublisherOnFiles, AMasterThatWasReplacedByAnotherFileBeginsANewEpoch) {
  open_master()->script("create table t as select 1 as i");
  const auto first = publish();
  const auto other = temp_ / "other.db";
  open("duckdb:" + other.string())
      ->script(
          "create table t as select 2 as i; checkpoint; insert into t values (3); checkpoint; insert into t values "
          "(4)");
  files_.rename(other, master());
  const auto second = publish();
  EXPECT_GT(std::stoul(second.position), std::stoul(first.position));
  EXPECT_NE(second.version.epoch, first.version.epoch);
  EXPECT_EQ(publish().version.epoch, second.version.epoch);
}

// In that mode its counter stands still.
TEST_F(PublisherOnSqliteFiles, AMasterInWalModeThatWasReplacedByItsBackupBeginsANewEpoch) {
  open_master("sqlite")->script("pragma journal_mode = wal; create table t (i integer)");
  const auto backup = files_.read(master());
  open_master("sqlite")->script("insert into t values (1)");
  const auto first = publish();
  files_.write_atomically(master(), backup);
  EXPECT_NE(publish().version.epoch, first.version.epoch);
}

// They take the place of those that are in the file already: the log grows no longer.
TEST_F(PublisherOnSqliteFiles, AMasterInWalModeIsAheadAlsoWhenItsLogHasBegunAnew) {
  const auto owner = open_master("sqlite");
  owner->script("pragma journal_mode = wal; create table t (i integer, filler blob)");
  for (int i = 0; i < 20; ++i) owner->execute("insert into t values (?, zeroblob(20000))", i);
  owner->script("pragma wal_checkpoint(full)");
  owner->execute("insert into t values (1000, null)");
  publish();
  HealthQuestion question;
  question.folder = folder_path();
  question.master = master();
  EXPECT_EQ(look_at_health(runtime_, files_, question).behind, false);
  owner->execute("insert into t values (1001, null)");
  EXPECT_EQ(look_at_health(runtime_, files_, question).behind, true);
}

TEST_F(PublisherOnSqliteFiles, AMasterInWalModeThatWasOnlyOpenedAndClosedIsNotAhead) {
  open_master("sqlite")->script("pragma journal_mode = wal; create table t (i integer)");
  publish();
  HealthQuestion question;
  question.folder = folder_path();
  question.master = master();
  {
    const auto reader = open_master("sqlite");
    reader->one<int>("select count(*) from t");
    EXPECT_TRUE(files_.info(base::Path(master()) += "-wal"));
    EXPECT_EQ(look_at_health(runtime_, files_, question).behind, false);
  }
  EXPECT_EQ(look_at_health(runtime_, files_, question).behind, false);
}

// By one with the same number.
TEST_F(PublisherOnSqliteFiles, AMasterThatWasReplacedByAnotherFileIsAhead) {
  open_master("sqlite")->script("pragma journal_mode = delete; create table t as select 1 as i");
  publish();
  const auto other = temp_ / "other.db";
  open("sqlite:" + other.string())->script("pragma journal_mode = delete; create table t as select 2 as i");
  files_.rename(other, master());
  HealthQuestion question;
  question.folder = folder_path();
  question.master = master();
  const auto health = look_at_health(runtime_, files_, question);
  EXPECT_EQ(health.behind, true);
  ASSERT_EQ(health.problems.size(), 1U);
  EXPECT_THAT(health.problems[0].what, HasSubstr("replaced by another file"));
  publish();
  EXPECT_EQ(look_at_health(runtime_, files_, question).behind, false);
}

TEST_F(PublisherOnSqliteFiles, AMasterWhoseNameAManifestCannotHoldIsRefused) {
  open_master("sqlite")->script("create table t as select 1 as i");
  auto latin = options();
  latin.master = temp_ / "caf\xe9.db";
  files_.write_atomically(latin.master, files_.read(master()));
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, latin).publish(), Code::invalid_argument);
}

TEST_F(PublisherOnFiles, CommitsThatWereLeftOutAreAProblemOfTheReplica) {
  const auto owner = open_master();
  owner->script("create table t as select 1 as i; checkpoint; insert into t values (2)");
  const auto left_out = publish().left_out_bytes;  // As another process would.
  HealthQuestion question;
  question.folder = folder_path();
  const auto health = look_at_health(runtime_, files_, question);
  EXPECT_EQ(health.level(), Health::Level::warning);
  ASSERT_EQ(health.problems.size(), 1U);
  EXPECT_THAT(health.problems[0].what, HasSubstr(std::to_string(left_out) + " bytes of commits"));
  publish(owner.get());
  EXPECT_EQ(look_at_health(runtime_, files_, question).level(), Health::Level::ok);
}

TEST_F(PublisherOnFiles, TwoReplicasOfOneMasterAreMadeOneAfterTheOther) {
  const auto owner = open_master();
  owner->script("create table t as select 1 as i");
  const auto before = owner->one<std::string>(kThreshold);
  CheckpointHold first(*owner, 60s);
  CheckpointHold second(*owner, 60s);
  CheckpointHold impatient(*owner, 1ms);
  first.take({});
  const auto held = owner->one<std::string>(kThreshold);
  EXPECT_THROW_CODE(impatient.take({}), Code::timeout);
  auto taking = runtime_.spawn("second", [&](const std::stop_token& stop) { second.take(stop); });
  first.release();
  taking.join();
  EXPECT_EQ(owner->one<std::string>(kThreshold), held);
  first.release();
  EXPECT_EQ(owner->one<std::string>(kThreshold), held);
  second.release();
  EXPECT_EQ(owner->one<std::string>(kThreshold), before);
}

// Otherwise the master would never get a checkpoint again.
TEST_F(PublisherOnFiles, AHoldIsReleasedAlsoWhileAllConnectionsOfItsOwnerAreTaken) {
  const auto owner = open("duckdb:" + master().string() + "?checkout_timeout=10ms&max_connections=2");
  const auto before = owner->one<std::string>(kThreshold);
  CheckpointHold hold(*owner, 60s);
  hold.take({});
  std::vector<sql::Connection> busy;
  try {
    for (;;) busy.push_back(owner->connect());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::timeout);
  }
  EXPECT_FALSE(busy.empty());
  hold.release();
  busy.clear();
  EXPECT_EQ(owner->one<std::string>(kThreshold), before);
}

TEST_F(PublisherOnFiles, AHoldLeavesAnOwnersOnlyConnectionToOthersAndIsReleasedAllTheSame) {
  const auto owner = open("duckdb:" + master().string() + "?checkout_timeout=0ms&max_connections=1");
  const auto before = owner->one<std::string>(kThreshold);
  CheckpointHold hold(*owner, 60s);
  hold.take({});
  base::Task releasing;
  auto busy = std::optional(owner->connect());
  releasing = runtime_.spawn("release", [&](const std::stop_token&) { hold.release(); });
  const base::Deadline deadline = runtime_.in(10s);
  while (owner->pool_state().waiting == 0) {
    ASSERT_FALSE(deadline.passed(runtime_.now()));
    runtime_.sleep_for(1ms);
  }
  busy.reset();
  releasing.join();
  EXPECT_EQ(owner->one<std::string>(kThreshold), before);
}

TEST_F(PublisherOnFiles, VersionsThatAreReplacedStayForAWhile) {
  open_master()->script("create table t as select 1 as i");
  const auto old = options(1);
  Publisher publisher(runtime_, files_, *locks_, old);
  publisher.publish();
  publisher.publish();
  EXPECT_TRUE(files_.info(folder().file(1)));
}

TEST_F(PublisherOnFiles, AFullDiskIsSaidAndTheNextPublicationSucceeds) {
  open_master()->script("create table t as select i, hash(i) as h from range(300000) r(i)");
  publish();
  ::rlimit limit{};  // The helper inherits it. As a disk that is full, but for this test alone.
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto usual = limit.rlim_cur;
  limit.rlim_cur = 1 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  EXPECT_THROW_CODE(publish(), Code::too_large);
  limit.rlim_cur = usual;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  ::signal(SIGXFSZ, ignored);
  EXPECT_EQ(folder().current_sequence(), 1U);
  for (const auto& entry : folder().entries()) EXPECT_NE(entry.kind, Folder::Entry::Kind::part);
  publish();
  EXPECT_GT(folder().current_sequence(), 1U);
}

// A file system of its own, as long as it lives.
class SmallFileSystem {
 public:
  SmallFileSystem(base::Path at, std::uint64_t size_bytes) : at_(std::move(at)) {
    const auto size = "size=" + std::to_string(size_bytes);
    mounted_ = ::mount("tidelock-test", at_.c_str(), "tmpfs", 0, size.c_str()) == 0;
    if (!mounted_) why_ = std::strerror(errno);
  }
  ~SmallFileSystem() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  const std::string& why_not() const { return why_; }

 private:
  const base::Path at_;
  bool mounted_ = false;
  std::string why_;
};

TEST_F(PublisherOnFiles, AFullFileSystemKeepsTheVersionThatIsThereUntilThereIsRoomAgain) {
  const auto owner = open_master();
  owner->script("create table t as select i, hash(i) as h from range(300000) r(i); checkpoint");
  const auto size = files_.info(master())->size_bytes;
  files_.create_folders(folder_path());
  const SmallFileSystem small(folder_path(), size * 5 / 2);
  if (!small.why_not().empty()) GTEST_SKIP() << "a file system cannot be mounted here: " << small.why_not();
  publish(owner.get());
  const auto filler = folder_path() / "foreign";
  files_.write_atomically(filler, std::string(size * 3 / 4, 'x'));

  owner->execute("insert into t values (-1, 0)");
  EXPECT_THROW_CODE(publish(owner.get()), Code::disk_full);
  EXPECT_EQ(folder().current_sequence(), 1U);
  EXPECT_EQ(open_plainly()->one<std::int64_t>("select count(*) from t"), 300'000);
  for (const auto& entry : folder().entries()) EXPECT_NE(entry.kind, Folder::Entry::Kind::part);
  owner->execute("insert into t values (-2, 0)");  // The master is not held any more.

  files_.remove(filler);
  publish(owner.get());
  EXPECT_EQ(open_plainly()->one<std::int64_t>("select count(*) from t"), 300'002);
}

// Nothing can be written before that is removed.
TEST_F(PublisherOnFiles, AFileSystemThatADeadPublishersCopyFillsIsFreedByTheNext) {
  open_master()->script("create table t as select i, hash(i) as h from range(300000) r(i)");
  const auto size = files_.info(master())->size_bytes;
  files_.create_folders(folder_path());
  const SmallFileSystem small(folder_path(), size * 5 / 2);
  if (!small.why_not().empty()) GTEST_SKIP() << "a file system cannot be mounted here: " << small.why_not();
  publish();
  {
    const auto part = files_.open(folder().part(2, {1}), base::OpenMode::create_new);
    constexpr std::size_t kPageBytes = 4096;
    const std::vector<std::byte> page(kPageBytes);
    EXPECT_THROW_CODE(for (std::uint64_t at = 0;; at += kPageBytes) part->write_at(at, page), Code::disk_full);
  }
  EXPECT_EQ(publish().version.sequence, 3U);
}

TEST_F(PublisherOnFiles, WithoutItsProgramItSaysWhatIsMissing) {
  open_master()->script("create table t as select 1 as i");
  auto without = options();
  without.program = temp_ / "nowhere";
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, without).publish(), Code::not_found);
  without.program = "/bin/false";
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, without).publish(), Code::unavailable);
}

TEST_F(PublisherOnFiles, ItStopsWhenAsked) {
  open_master()->script("create table t as select 1 as i");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW_CODE(Publisher(runtime_, files_, *locks_, options()).publish(nullptr, stop.get_token()),
                    Code::cancelled);
}

TEST_F(PublisherOnFiles, ADamagedStateFileIsNamed) {
  open_master()->script("create table t as select 1 as i");
  publish();
  files_.write_atomically(folder().state(), "{");
  EXPECT_THROW_CODE(publish(), Code::corrupt);
  files_.remove(folder().state());
  EXPECT_EQ(publish().version.sequence, 2U);
}

}  // namespace
}  // namespace tidelock::replica
