// Reading real replicas of DuckDB files.
#include "tidelock/replica/reader.h"

#include <gmock/gmock.h>

#include "tidelock/replica/testing/replica_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::replica {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;
using Source = ReaderState::Source;

class ReaderOnFiles : public testing::ReplicaTest {
 protected:
  void write(int value) {
    open_master()->script("create or replace table t as select " + std::to_string(value) + " as i");
  }
  static int value(sql::Connection connection) { return connection.one<int>("select i from t"); }
};

TEST_F(ReaderOnFiles, AnOpenTransactionKeepsItsVersionAlsoWhenThatIsRemoved) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path());
  auto connection = reader.connect();
  auto transaction = connection.begin({.read_only = true});
  EXPECT_EQ(transaction.one<int>("select i from t"), 1);
  write(2);
  publish();
  EXPECT_EQ(value(reader.connect()), 2);
  files_.remove(folder().file(1));
  EXPECT_EQ(transaction.one<int>("select i + 0 from t"), 1);
}

TEST_F(ReaderOnFiles, ReadingSaysWhichVersionItIsOfAlsoWhenThereIsANewerOne) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path());
  auto reading = reader.read();
  write(2);
  const auto second = publish();
  EXPECT_EQ(reader.state().manifest, second);
  ASSERT_TRUE(reading.manifest);
  EXPECT_EQ(reading.manifest->version.sequence, 1U);
  EXPECT_EQ(reading.manifest->version, reading.version);
  EXPECT_EQ(value(std::move(reading.connection)), 1);
}

TEST_F(ReaderOnFiles, FollowsByItself) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path());
  const auto first = reader.version();
  write(2);
  publish();
  ASSERT_TRUE(reader.wait_for_other(first, runtime_.in(30s)));
  EXPECT_EQ(reader.state().manifest->version.sequence, 2U);
}

TEST_F(ReaderOnFiles, WithoutAVersionAndADefaultItSaysWhatIsMissing) {
  Reader reader(runtime_, files_, folder_path());
  EXPECT_THROW_CODE(reader.connect(), Code::not_found);
  EXPECT_EQ(reader.state().source, Source::nothing);
  write(1);
  publish();
  ASSERT_TRUE(reader.wait_for_other(std::nullopt, runtime_.in(30s)));
  EXPECT_EQ(value(reader.connect()), 1);
}

TEST_F(ReaderOnFiles, ATornVersionIsNotTakenUp) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  write(2);
  publish();
  files_.set_mode(folder().file(2), 0644);
  files_.open(folder().file(2), base::OpenMode::read_write)->truncate(20'000);
  EXPECT_EQ(value(reader.connect()), 1);
  const auto state = reader.state();
  EXPECT_EQ(state.source, Source::last_good);
  EXPECT_EQ(state.trouble->code(), Code::corrupt);
  EXPECT_EQ(state.manifest->version.sequence, 1U);
}

TEST_F(ReaderOnFiles, TheServedVersionStaysWhenItsFileIsRemoved) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  const auto path = folder().file(1);
  files_.remove(path);
  EXPECT_EQ(value(reader.connect()), 1);
  EXPECT_EQ(reader.state().source, Source::last_good);
  EXPECT_EQ(reader.state().trouble->code(), Code::not_found);
  write(2);
  publish();
  EXPECT_EQ(value(reader.connect()), 2);
  EXPECT_EQ(reader.state().source, Source::newest);
}

TEST_F(ReaderOnFiles, TheServedVersionStaysWhenATornFileTakesItsName) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  files_.write_atomically(folder().file(1), "torn");
  EXPECT_EQ(value(reader.connect()), 1);
  EXPECT_EQ(reader.state().source, Source::last_good);
  EXPECT_EQ(reader.state().trouble->code(), Code::corrupt);
}

TEST_F(ReaderOnFiles, AServedVersionThatIsCutIsTold) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  files_.set_mode(folder().file(1), 0644);
  files_.open(folder().file(1), base::OpenMode::read_write)->truncate(20'000);
  EXPECT_EQ(reader.state().source, Source::last_good);
  EXPECT_EQ(reader.state().trouble->code(), Code::corrupt);
}

TEST_F(ReaderOnFiles, AReaderThatStartsWhileTheNewestIsTornTakesTheBestEarlierOne) {
  for (int i = 1; i <= 3; ++i) {
    write(i);
    publish();
  }
  for (const std::uint64_t sequence : {2, 3}) {
    files_.set_mode(folder().file(sequence), 0644);
    files_.open(folder().file(sequence), base::OpenMode::read_write)->truncate(20'000);
  }
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  EXPECT_EQ(value(reader.connect()), 1);
  auto state = reader.state();
  EXPECT_EQ(state.source, Source::last_good);
  EXPECT_EQ(state.trouble->code(), Code::corrupt);
  EXPECT_THAT(state.trouble->what(), HasSubstr("0000000003.db"));
  EXPECT_EQ(state.manifest->version.sequence, 1U);
  write(4);
  publish();
  EXPECT_EQ(value(reader.connect()), 4);
  EXPECT_EQ(reader.state().source, Source::newest);
}

TEST_F(ReaderOnFiles, AVersionWithALogBesideItIsNotTakenUp) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  write(2);
  publish();
  files_.write_atomically(base::Path(folder().file(2)) += ".wal", "stale");
  EXPECT_EQ(value(reader.connect()), 1);
  EXPECT_THAT(reader.state().trouble->what(), HasSubstr("remove it"));
}

TEST_F(ReaderOnFiles, ALinkThatIsPutBackIsNotFollowed) {
  write(1);
  publish();
  write(2);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  EXPECT_EQ(value(reader.connect()), 2);
  files_.remove(folder().current());
  files_.create_symlink("versions/0000000001.db", folder().current());
  EXPECT_EQ(value(reader.connect()), 2);
  EXPECT_EQ(reader.state().source, Source::last_good);
}

TEST_F(ReaderOnFiles, AFolderThatIsMadeAnewIsReadAnew) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  EXPECT_EQ(value(reader.connect()), 1);
  files_.rename(folder_path(), temp_ / "old");
  write(2);
  publish();
  EXPECT_EQ(value(reader.connect()), 2);
}

TEST_F(ReaderOnFiles, AFolderThatIsMadeAnewIsReadAnewWhateverIsStillOpenOfTheOldOne) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  Reader other(runtime_, files_, folder_path(), {.follow = false});
  auto held = reader.connect();
  files_.rename(folder_path(), temp_ / "old");
  write(2);
  publish();
  EXPECT_EQ(value(reader.connect()), 2);
  EXPECT_EQ(reader.state().source, Source::newest);
  EXPECT_EQ(held.one<int>("select i + 0 from t"), 1);
  EXPECT_EQ(value(other.connect()), 2);
}

TEST_F(ReaderOnFiles, AConnectionThatIsKeptSinceLongDoesNotPutItsDataUnderTheNameOfANewFolders) {
  write(1);
  publish();
  Reader reader(runtime_, files_, folder_path(), {.follow = false});
  auto held = reader.connect();
  write(2);
  publish();
  EXPECT_EQ(value(reader.connect()), 2);
  files_.rename(folder_path(), temp_ / "old");
  write(3);
  publish();
  EXPECT_EQ(reader.state().manifest->version.sequence, 1U);
  EXPECT_EQ(value(reader.connect()), 3);
  EXPECT_EQ(held.one<int>("select i + 0 from t"), 1);
}

// It is a mistake in the program, not a version that is bad: the default must not hide it.
TEST_F(ReaderOnFiles, OtherParametersThanAnotherReaderOfTheProcessHasAreRefused) {
  write(1);
  publish();
  open("sqlite:" + (temp_ / "default.db").string())->script("create table t as select 0 as i");
  Reader first(runtime_, files_, folder_path(), {.parameters = "threads=1", .follow = false});
  Reader second(
      runtime_, files_, folder_path(),
      {.default_url = "sqlite:" + (temp_ / "default.db").string(), .parameters = "threads=2", .follow = false});
  EXPECT_THROW_CODE(second.connect(), Code::misuse);
  Reader third(runtime_, files_, folder_path(), {.parameters = "threads=1", .follow = false});
  EXPECT_EQ(value(third.connect()), 1);
}

}  // namespace
}  // namespace tidelock::replica
