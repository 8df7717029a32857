// SQLite on the model disk: what was committed survives crashes and power cuts as `synchronous` promises, and the file
// is never damaged.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>

#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::sqlite {
namespace {

using namespace std::chrono_literals;
using world::Process;
using world::World;

const std::string kFull = "synchronous=full";
const std::string kNormal = "synchronous=normal";
const std::string kOff = "synchronous=off";

std::unique_ptr<Database> open_database(Process& process, const std::string& parameters) {
  return open(process, process.files(), base::Url::parse("sqlite:/shop.db?" + parameters));
}

// What a writer knows to be committed: rows of `t` are numbered from 1 without gaps, one a transaction.
struct Progress {
  std::int64_t acknowledged = 0;
};

void make_table(Database& db) {
  db.execute("create table if not exists t (n integer primary key, filler blob)");
  db.execute("create table if not exists total (n integer)");
}

// Two tables change together, in pages enough for a power cut to tear.
void write(Process& process, const std::string& parameters, Progress& progress) {
  const auto db = open_database(process, parameters);
  make_table(*db);
  for (;;) {
    std::int64_t number = 0;
    transact(*db, [&](Transaction& tx) {
      number = tx.one<std::optional<std::int64_t>>("select max(n) from t").value_or(0) + 1;
      tx.execute("insert into t values (?, ?)", number, Blob(process.random() % 9000, std::byte{1}));
      tx.execute("delete from total");
      tx.execute("insert into total values (?)", number);
    });
    progress.acknowledged = std::max(progress.acknowledged, number);
    if (process.random() % 4 == 0) process.sleep_for(1ms);
  }
}

// Opens the file again and looks at all of it; returns how many transactions it holds.
std::int64_t inspect(Process& process, const std::string& parameters) {
  const auto db = open_database(process, parameters);
  make_table(*db);
  EXPECT_EQ(db->one<std::string>("pragma integrity_check"), "ok");
  const auto rows = db->one<std::int64_t>("select count(*) from t");
  EXPECT_EQ(db->one<std::optional<std::int64_t>>("select max(n) from t").value_or(0), rows);
  EXPECT_EQ(db->one<std::optional<std::int64_t>>("select n from total union all select 0 limit 1"), rows);
  return rows;
}

struct Survival {
  std::string parameters;
  bool power_cut;  // Or the processes are killed.
  bool durable;    // Nothing that was acknowledged is lost.
};

// Two writers of one machine, interrupted at random moments.
void survive(World& world, const Survival& what) {
  Progress progress;
  world.run([&](base::Runtime& runtime) {
    auto& host = world.machine("host");
    const auto main = [&](Process& self) { write(self, what.parameters, progress); };
    std::int64_t known = 0;
    for (int round = 0; round < 3; ++round) {
      for (const auto* const name : {"first", "second"}) world.process(host, name).start(main);
      runtime.sleep_for(world.random().between({1ms, what.parameters == kFull ? 400ms : 40ms}));
      if (what.power_cut) host.power_cut();
      for (const auto* const name : {"first", "second"}) {
        world.process(host, name).crash();
        world.process(host, name).wait_for_end();
      }
      auto& inspector = world.process(host, "inspector");
      inspector.start([&](Process& self) {
        const auto rows = inspect(self, what.parameters);
        EXPECT_GE(rows, what.durable ? progress.acknowledged : 0);
        known = rows;
      });
      inspector.wait_for_end();
      progress.acknowledged = known;  // What a power cut took may be written again.
    }
    world.trace(static_cast<std::uint64_t>(known));
  });
}

TEST(SqlitePowerCut, WithFullSyncWhatWasCommittedSurvivesAPowerCut) {
  world::for_seeds(world::long_seeds(60), [](World& world) { survive(world, {kFull, true, true}); });
}

TEST(SqlitePowerCut, WithNormalSyncAPowerCutTakesTheLastTransactionsAtMost) {
  world::for_seeds(world::long_seeds(40), [](World& world) { survive(world, {kNormal, true, false}); });
}

TEST(SqlitePowerCut, WhatWasCommittedSurvivesKillingTheProcess) {
  world::for_seeds(world::long_seeds(40), [](World& world) { survive(world, {kOff, false, true}); });
}

TEST(SqlitePowerCut, TheSameSeedIsTheSameRun) {
  const auto hash = [](std::uint64_t seed) {
    World world(seed);
    survive(world, {kFull, true, true});
    return world.trace_hash();
  };
  EXPECT_EQ(hash(7), hash(7));
  EXPECT_NE(hash(7), hash(8));
}

TEST(SqlitePowerCutSoak, WithFullSyncWhatWasCommittedSurvivesAPowerCut) {
  world::for_seeds(1000, [](World& world) { survive(world, {kFull, true, true}); });
}

// What a writer on a failing disk was told.
struct Told {
  std::set<std::int64_t> committed, rolled_back, unknown;
};

// Commits until something fails, and then a few more times: SQLite may overwrite what the failure left in the log.
void write_on_failing_disk(Process& process, world::Disk& disk, std::int64_t& next, Told& told) {
  const auto db = open_database(process, kFull);
  make_table(*db);
  disk.options().write_error_rate = 0.01;
  disk.options().sync_error_rate = 0.02;
  auto left = process.random() % 3;
  for (bool failed = false; !failed || left-- > 0; ++next) {
    try {
      auto connection = db->connect();
      auto tx = connection.begin();
      tx.execute("insert into t values (?, ?)", next, Blob(process.random() % 9000));
      tx.commit();
      told.committed.insert(next);
    } catch (const Error& error) {
      failed = true;
      (error.code() == Code::unknown_outcome ? told.unknown : told.rolled_back).insert(next);
    }
  }
  process.crash();  // So that the log is recovered by who comes next.
}

// A write or sync that fails never leads to a commit that is told as failed and is there after all, or the reverse;
// only an unknown outcome may be either.
TEST(SqlitePowerCut, AFailingDiskIsToldAsItIs) {
  std::int64_t unknown = 0;
  std::int64_t unknown_and_there = 0;
  world::for_seeds(world::long_seeds(100), [&](World& world) {
    world.run([&](base::Runtime&) {
      auto& host = world.machine("host");
      auto& writer = world.process(host, "writer");
      auto& options = host.disk().options();
      Told told;
      std::int64_t next = 1;
      for (int round = 0; round < 3; ++round) {
        writer.start([&](Process& self) { write_on_failing_disk(self, host.disk(), next, told); });
        writer.wait_for_end();
        options.write_error_rate = options.sync_error_rate = 0;
      }
      auto& inspector = world.process(host, "inspector");
      inspector.start([&](Process& self) {
        const auto db = open_database(self, kFull);
        EXPECT_EQ(db->one<std::string>("pragma integrity_check"), "ok");
        auto connection = db->connect();
        std::set<std::int64_t> there;
        for (const auto row : connection.query("select n from t")) there.insert(row.get<std::int64_t>(0));
        for (const auto n : told.committed) EXPECT_TRUE(there.contains(n)) << n << " was committed";
        for (const auto n : told.rolled_back) EXPECT_FALSE(there.contains(n)) << n << " was rolled back";
        for (const auto n : told.unknown) unknown_and_there += there.contains(n) ? 1 : 0;
        unknown += static_cast<std::int64_t>(told.unknown.size());
      });
      inspector.wait_for_end();
    });
  });
  // Both happen, so calling it unknown is right.
  EXPECT_GT(unknown_and_there, 0);
  EXPECT_GT(unknown, unknown_and_there);
}

TEST(SqlitePowerCut, AFullDiskTakesNothingAndGoesOnWhenThereIsRoom) {
  world::for_seeds(10, [](World& world) {
    world.run([&](base::Runtime& runtime) {
      const auto db = open(runtime, world.files(), base::Url::parse("sqlite:/shop.db?synchronous=full"));
      make_table(*db);
      auto& options = world.machine().disk().options();
      options.capacity_bytes = world.machine().disk().used_bytes() + 200'000;
      std::int64_t kept = 0;
      Code code = Code::internal;
      for (int n = 1; n <= 100 && code == Code::internal; ++n) {
        try {
          transact(*db, [&](Transaction& tx) { tx.execute("insert into t values (?, ?)", n, Blob(10'000)); });
          ++kept;
        } catch (const Error& error) {
          code = error.code();
        }
      }
      EXPECT_EQ(code, Code::disk_full);
      EXPECT_EQ(db->one<std::int64_t>("select count(*) from t"), kept);
      options.capacity_bytes = std::uint64_t{1} << 30;
      db->execute("insert into t values (1000, null)");
      EXPECT_EQ(db->one<std::int64_t>("select count(*) from t"), kept + 1);
      EXPECT_EQ(db->one<std::string>("pragma integrity_check"), "ok");
    });
  });
}

}  // namespace
}  // namespace tidelock::sql::sqlite
