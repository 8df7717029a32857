// The folder of a replica in a World: publishers are killed, paused past the end of their lease, and lose the power at
// any moment. What must hold all the time:
//   - current.db leads to a complete version whose content is that of its manifest;
//   - it never goes back, and a version that was published is never lost;
//   - a publisher that lost its lease commits nothing; what a dead one left is removed by the next.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/lock/backends/all.h"
#include "tidelock/replica/folder.h"
#include "tidelock/replica/health.h"
#include "tidelock/replica/publisher.h"
#include "tidelock/replica/reader.h"
#include "tidelock/replica/testing/model_copier.h"
#include "tidelock/replica/turn.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::replica {
namespace {

using namespace std::chrono_literals;
using world::Process;
using world::World;

const base::Path kMaster = "/master.db";
const base::Path kFolder = "/replica";

std::unique_ptr<sql::Database> open_url(Process& process, const std::string& url) {
  return sql::open(process, process.files(), base::Url::parse(url), {});
}

// The master's content is a generation, in as many pages as two blocks have.
std::int64_t change_master(Process& process) {
  const auto database = open_url(process, "sqlite:" + kMaster.string() + "?synchronous=full");
  database->script(
      "create table if not exists state (generation integer);"
      "create table if not exists filler (generation integer, bytes blob)");
  const auto generation =
      database->maybe<std::int64_t>("select coalesce(max(generation), 0) from state").value_or(0) + 1;
  database->script("delete from state; delete from filler");
  database->execute("insert into state values (?)", generation);
  database->execute("insert into filler select generation, zeroblob(9000) from state");
  return generation;
}

Manifest publish_once(Process& process, std::size_t keep) {
  const auto locks = lock::open_backend(process, process.files(), base::Url::parse("sqlite:/locks.db"));
  testing::ModelCopier copier(process, process.files());
  Publisher publisher(process, process.files(), *locks,
                      {.master = kMaster, .folder = kFolder, .keep = keep, .patience = 30s}, copier);
  return publisher.publish();
}

// Looks at the folder as a whole while no publisher is at work.
void expect_whole(Process& process) {
  const Folder folder(process.files(), kFolder);
  const auto current = folder.current_sequence();
  if (!current) return;
  const auto manifest = folder.read_manifest(*current);
  EXPECT_EQ(differing_blocks(process.files(), folder.file(*current), manifest), std::vector<std::uint64_t>{});
  const auto database = open_url(process, "sqlite:" + folder.current().string() + "?mode=ro");
  EXPECT_EQ(database->one<std::string>("pragma integrity_check"), "ok");
}

void expect_clean(Process& process, std::size_t keep) {
  const Folder folder(process.files(), kFolder);
  const auto current = folder.current_sequence();
  ASSERT_TRUE(current);
  std::size_t versions = 0;
  for (const auto& entry : folder.entries()) {
    EXPECT_TRUE(entry.kind == Folder::Entry::Kind::file || entry.kind == Folder::Entry::Kind::manifest) << entry.name;
    EXPECT_LE(entry.sequence, *current);
    EXPECT_TRUE(process.files().info(folder.file(entry.sequence))) << entry.name;
    EXPECT_TRUE(process.files().info(folder.manifest(entry.sequence))) << entry.name;
    versions += entry.kind == Folder::Entry::Kind::file ? 1 : 0;
  }
  EXPECT_LE(versions, keep);
  EXPECT_FALSE(process.files().info(folder.new_link()));
}

// One publisher on one machine, interrupted again and again.
void survive_crashes(World& world, bool power_cuts) {
  constexpr std::size_t kKeep = 2;
  world.run([&](base::Runtime& runtime) {
    auto& host = world.machine("host");
    auto& publisher = world.process(host, "publisher");
    auto& inspector = world.process(host, "inspector");
    std::uint64_t published = 0;  // The last sequence that publish() returned.
    for (int round = 0; round < 6; ++round) {
      publisher.start([&](Process& self) {
        for (;;) {
          change_master(self);
          published = publish_once(self, kKeep).version.sequence;
        }
      });
      runtime.sleep_for(world.random().between({1ms, 150ms}));
      if (power_cuts) host.power_cut();
      publisher.crash();
      publisher.wait_for_end();
      runtime.sleep_for(12s);  // Its lease lapses.
      inspector.start([&](Process& self) {
        if (self.files().info(kFolder / "versions")) expect_whole(self);
        EXPECT_GE(Folder(self.files(), kFolder).current_sequence().value_or(0), published);
      });
      inspector.wait_for_end();
    }
    inspector.start([&](Process& self) {
      const auto generation = change_master(self);
      const auto manifest = publish_once(self, kKeep);
      EXPECT_GT(manifest.version.sequence, published);
      expect_whole(self);
      EXPECT_EQ(open_url(self, "sqlite:/replica/current.db?mode=ro")->one<std::int64_t>("select generation from state"),
                generation);
      self.sleep_for(kStay);
      publish_once(self, kKeep);
      expect_clean(self, kKeep);
    });
    inspector.wait_for_end();
    world.trace(published);
  });
}

TEST(ReplicaSim, APublisherKilledAtAnyMomentLeavesACompleteVersionAndTheNextCleansUp) {
  world::for_seeds(world::long_seeds(150), [](World& world) { survive_crashes(world, false); });
}

TEST(ReplicaSim, APowerCutAtAnyMomentLosesNoVersionThatWasPublished) {
  world::for_seeds(world::long_seeds(150), [](World& world) { survive_crashes(world, true); });
}

// Who has followed the link finds the file for as long as kStay, whatever the publishers do. Run as a task.
void watch_replaced(base::Runtime& runtime, base::Files& files, const std::stop_token& stop) {
  constexpr auto kLook = 7ms;
  const Folder folder(files, kFolder);
  std::optional<std::uint64_t> seen;
  std::map<std::uint64_t, base::Instant> replaced;  // When that was seen: a look, at most, after it was done.
  while (!stop.stop_requested()) {
    const auto current = folder.current_sequence();
    if (seen && current != seen) replaced[*seen] = runtime.now();
    seen = current;
    std::erase_if(replaced, [&](const auto& each) {
      const bool stays = files.info(folder.file(each.first)).has_value();
      const auto since = runtime.now() - each.second;
      if (since >= kStay - 5 * kLook) return true;
      EXPECT_TRUE(stays) << each.first << " was removed " << since / 1ms << " ms after it was replaced";
      return !stays;
    });
    runtime.sleep_for(kLook, stop);
  }
}

// Publishing takes longer than a version stays, and the next publication follows at once.
TEST(ReplicaSim, AVersionStaysForAWhileAfterItWasReplacedHoweverSlowTheDiskIs) {
  world::for_seeds(3, [](World& world) {
    world.run([&](base::Runtime&) {
      auto& host = world.machine("host");
      auto& self = world.process(host, "publisher");
      const auto locks = lock::open_backend(self, self.files(), base::Url::parse("memory:"));
      testing::ModelCopier copier(self, self.files());
      Publisher publisher(self, self.files(), *locks, {.master = kMaster, .folder = kFolder, .keep = 1}, copier);
      change_master(self);
      publisher.publish();
      const auto watcher =
          self.spawn("watcher", [&](const std::stop_token& stop) { watch_replaced(self, self.files(), stop); });
      host.disk().options().slow_sync_rate = 0;
      for (int i = 0; i < 6; ++i) {
        host.disk().options().sync_time = i % 2 == 0 ? world::TimeRange{1s, 1s} : world::TimeRange{1ms, 2ms};
        publisher.publish();
      }
      self.sleep_for(kStay);
      publisher.publish();
      publisher.publish();
      EXPECT_FALSE(self.files().info(Folder(self.files(), kFolder).file(6)));  // What had its time is removed.
    });
  });
}

// Several publishers that are paused for longer than their leases last, and one who watches the link.
void fight(World& world, std::uint64_t& fenced, std::uint64_t& done) {
  world.run([&](base::Runtime& runtime) {
    auto& host = world.machine("host");
    auto& first = world.process(host, "first");
    change_master(first);
    bool over = false;
    std::vector<Process*> publishers;
    for (const auto* name : {"second", "third"}) publishers.push_back(&world.process(host, name));
    for (auto* publisher : publishers) {
      publisher->start([&](Process& self) {
        while (!over) {
          try {
            publish_once(self, 2);
            ++done;
          } catch (const Error& error) {
            const auto code = error.code();
            EXPECT_TRUE(code == Code::fenced || code == Code::lease_lost || code == Code::timeout ||
                        code == Code::database_locked)
                << error.what();
            ++fenced;
          }
          self.sleep_for(world.random().between({0ms, 3s}));
        }
      });
    }
    auto watcher = first.spawn("watcher", [&](const std::stop_token& stop) {
      const Folder folder(first.files(), kFolder);
      std::uint64_t seen = 0;
      const auto other = first.spawn("watcher of files",
                                     [&](const std::stop_token& end) { watch_replaced(first, first.files(), end); });
      while (!stop.stop_requested()) {
        const auto current = folder.current_sequence();
        EXPECT_GE(current.value_or(0), seen);
        seen = current.value_or(0);
        EXPECT_TRUE(!current || first.files().info(folder.file(seen)) || folder.current_sequence() != seen);
        first.sleep_for(7ms, stop);
      }
    });
    for (int i = 0; i < 4; ++i) {
      auto* victim = publishers[world.random().below(publishers.size())];
      runtime.sleep_for(world.random().between({0ms, 2s}));
      victim->pause();
      runtime.sleep_for(world.random().between({0ms, 25s}));
      victim->resume();
    }
    over = true;
    for (auto* publisher : publishers) publisher->wait_for_end();
    watcher.request_stop();
    watcher.join();
    first.sleep_for(kStay);
    publish_once(first, 2);
    expect_clean(first, 2);
    expect_whole(first);
  });
}

TEST(ReplicaSim, OfTwoPublishersOneWinsAndAPausedOneCommitsNothing) {
  std::uint64_t fenced = 0;
  std::uint64_t done = 0;
  const auto seeds = world::for_seeds(world::long_seeds(100), [&](World& world) { fight(world, fenced, done); });
  if (seeds < 100) return;
  EXPECT_GT(fenced, 0U);
  EXPECT_GT(done, seeds);
}

// A reader that follows while versions come, and somebody damages the newest.
void read_through(World& world) {
  world.run([&](base::Runtime& runtime) {
    auto& host = world.machine("host");
    auto& publisher = world.process(host, "publisher");
    auto& self = world.process(host, "reader");
    change_master(publisher);
    publish_once(publisher, 3);
    Reader reader(self, self.files(), kFolder, {.poll = 50ms});
    std::uint64_t seen = 0;
    std::int64_t seen_generation = 0;
    const auto read = [&] {
      auto reading = reader.read();
      auto transaction = reading.connection.begin({.read_only = true});
      const auto generation = transaction.one<std::int64_t>("select generation from state");
      self.sleep_for(world.random().between({0ms, 20ms}));
      EXPECT_EQ(transaction.one<std::int64_t>("select generation from filler"), generation);
      ASSERT_TRUE(reading.version);
      EXPECT_GE(reading.version->sequence, seen);
      EXPECT_GE(generation, seen_generation);
      seen = reading.version->sequence;
      seen_generation = generation;
    };
    publisher.start([&](Process& process) {
      for (int i = 0; i < 12; ++i) {
        change_master(process);
        const auto sequence = publish_once(process, 2).version.sequence;
        process.sleep_for(world.random().between({0ms, 2s}));
        const Folder folder(process.files(), kFolder);
        switch (world.random().below(8)) {
          case 0:
            process.files().remove(folder.current());
            break;
          case 1:
            process.files().remove(folder.manifest(sequence));
            break;
          case 2:
            process.files().open(base::Path(folder.file(sequence)) += "-journal", base::OpenMode::create);
            break;
          case 3:  // Whether the reader serves it already or not.
            process.files().remove(folder.file(sequence));
            break;
          case 4:
            process.files().write_atomically(folder.file(sequence), "torn");
            break;
          default:
            break;
        }
      }
    });
    for (int i = 0; i < 200; ++i) read();
    publisher.wait_for_end();
    const auto generation = change_master(publisher);
    const auto last = publish_once(publisher, 2);
    EXPECT_TRUE(reader.wait_for_other(Version{last.version.epoch, last.version.sequence - 1}, runtime.in(1min)));
    read();
    EXPECT_EQ(seen_generation, generation);
    EXPECT_EQ(reader.state().source, ReaderState::Source::newest);
  });
}

TEST(ReplicaSim, AReaderNeverFailsAndNeverGoesBackWhateverHappensToTheFolder) {
  world::for_seeds(world::long_seeds(60), [](World& world) { read_through(world); });
}

// Its watch goes with the folder that was moved; the new one is watched as the old one was.
TEST(ReplicaSim, AReaderFollowsAFolderThatIsMadeAnewAsFastAsTheOldOne) {
  world::for_seeds(3, [](World& world) {
    world.run([&](base::Runtime&) {
      auto& self = world.process(world.machine("host"), "reader");
      change_master(self);
      publish_once(self, 3);
      Reader reader(self, self.files(), kFolder, {.poll = 100ms});
      self.files().rename(kFolder, "/old");
      auto last = publish_once(self, 3);
      ASSERT_TRUE(reader.wait_for_other(std::nullopt, self.in(1min)));
      self.sleep_for(10s);
      for (int i = 0; i < 3; ++i) {
        const auto seen = reader.version();
        last = publish_once(self, 3);
        EXPECT_TRUE(reader.wait_for_other(seen, self.in(50ms)));
      }
    });
  });
}

TEST(ReplicaSim, AReaderFollowsAFolderThatItKnowsByASymlinkAsFast) {
  world::for_seeds(3, [](World& world) {
    world.run([&](base::Runtime&) {
      auto& self = world.process(world.machine("host"), "reader");
      change_master(self);
      publish_once(self, 3);
      self.files().create_symlink("replica", "/link");
      Reader reader(self, self.files(), "/link", {.poll = 100ms});
      self.sleep_for(11s);
      for (int i = 0; i < 3; ++i) {
        const auto seen = reader.version();
        publish_once(self, 3);
        EXPECT_TRUE(reader.wait_for_other(seen, self.in(50ms)));
      }
    });
  });
}

// The link is renamed, and then the disk fails: who is told "nothing was committed" would be told wrong.
TEST(ReplicaSim, AVersionThatIsCurrentAndMayNotSurviveAPowerCutIsAnUnknownOutcome) {
  world::for_seeds(3, [](World& world) {
    world.run([&](base::Runtime&) {
      auto& host = world.machine("host");
      auto& self = world.process(host, "publisher");
      change_master(self);
      const auto before = publish_once(self, 3).version;
      const Folder folder(self.files(), kFolder);
      const auto fail_from_the_last_step_on = [&] {
        if (self.files().info(folder.new_link())) host.disk().options().sync_error_rate = 1;
      };
      {
        Turn turn(self, folder,
                  {.token = {std::int64_t{1} << 60}, .patience = 10s, .check_lease = fail_from_the_last_step_on});
        testing::ModelCopier copier(self, self.files());
        auto copied = copier.make({.master = kMaster, .copy = turn.part()}, {});
        Manifest manifest;
        manifest.master = kMaster;
        manifest.engine = copied.engine;
        manifest.size_bytes = copied.size_bytes;
        manifest.block_bytes = copied.block_bytes;
        manifest.blocks = copied.blocks;
        manifest.position = copied.position;
        EXPECT_THROW_CODE(turn.commit(manifest), Code::unknown_outcome);
      }
      host.disk().options().sync_error_rate = 0;
      EXPECT_EQ(folder.current_sequence(), before.sequence + 1);
      expect_whole(self);
    });
  });
}

TEST(ReplicaSim, TheSameSeedIsTheSameRun) {
  const auto hash = [](std::uint64_t seed) {
    World world(seed);
    survive_crashes(world, true);
    return world.trace_hash();
  };
  EXPECT_EQ(hash(3), hash(3));
  EXPECT_NE(hash(3), hash(4));
}

}  // namespace
}  // namespace tidelock::replica
#endif
