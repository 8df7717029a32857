// Publishing as fast as possible from a DuckDB master that two tasks write, read by four.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "tidelock/base/process.h"
#include "tidelock/replica/health.h"
#include "tidelock/replica/testing/plain_reader.h"
#include "tidelock/replica/testing/replica_test.h"
#include "tidelock/sql/transact.h"
#include "tidelock/world/testing.h"

namespace tidelock::replica {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kTotal = 2'000'000;
constexpr auto kSum =
    "select cast((select sum(amount) from left_side) + (select sum(amount) from right_side) as bigint)";

class PublisherSoak : public testing::ReplicaTest {
 protected:
  void SetUp() override {
    ReplicaTest::SetUp();
    if (IsSkipped()) return;
    owner_ = open_master();
    owner_->script(
        "create table left_side as select i as id, 1000 as amount from range(1000) r(i);"
        "create table right_side as select i as id, 1000 as amount from range(1000) r(i);"
        "create table moves (id bigint, note varchar)");
    publish(owner_.get());
  }

  // Moves amounts from one table to the other, and keeps count; now and then many rows at once, as a load does.
  void write(std::int64_t writer, const std::stop_token& stop) {
    for (std::int64_t n = 1; !stop.stop_requested(); ++n) {
      sql::transact(*owner_, [&](sql::Transaction& tx) {
        const auto id = static_cast<std::int64_t>(runtime_.random() % 500) * 2 + writer;
        const auto amount = static_cast<std::int64_t>(runtime_.random() % 10);
        tx.execute("update left_side set amount = amount - ? where id = ?", amount, id);
        tx.execute("update right_side set amount = amount + ? where id = ?", amount, id);
        const std::int64_t rows = n % 50 == 0 ? 20'000 : 1;
        tx.execute("insert into moves select ?, repeat('x', 40) from range(?) r(i)", n * 2 + writer, rows);
      });
      if (n % 500 == 0) owner_->execute("delete from moves");
      ++writes_;
      runtime_.sleep_for(1ms, stop);
    }
  }

  void check(sql::Connection connection) {
    ASSERT_EQ(connection.one<std::int64_t>(kSum), kTotal);
    ++reads_;
  }

  testing::PlainReader plain_reader() { return {runtime_, "duckdb", folder().current(), kSum}; }

  void check(testing::PlainReader& plain) {
    ASSERT_EQ(plain.read(), std::to_string(kTotal));
    ++plain_reads_;
  }

  void read_through_reader(const std::stop_token& stop) {
    Reader reader(runtime_, files_, folder_path());
    std::uint64_t sequence = 0;
    while (!stop.stop_requested() && !HasFailure()) {
      auto reading = reader.read();
      ASSERT_TRUE(reading.version);
      ASSERT_GE(reading.version->sequence, sequence);
      sequence = reading.version->sequence;
      check(std::move(reading.connection));
      runtime_.sleep_for(5ms, stop);  // Leaves the processors to the publisher: it is to be as fast as it can.
    }
  }

  void read_plainly(const std::stop_token& stop) {
    auto plain = plain_reader();
    while (!stop.stop_requested() && !HasFailure()) check(plain);
  }

  std::unique_ptr<sql::Database> owner_;
  std::atomic<std::uint64_t> writes_ = 0;
  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> plain_reads_ = 0;
};

TEST_F(PublisherSoak, EveryReadSeesAWholeStateAndNoneGoesBack) {
  const auto seconds = world::number_from_environment("TIDELOCK_SOAK_SECONDS").value_or(10);
  std::vector<base::Task> tasks;
  tasks.push_back(runtime_.spawn("writer 0", [&](const auto& stop) { write(0, stop); }));
  tasks.push_back(runtime_.spawn("writer 1", [&](const auto& stop) { write(1, stop); }));
  for (int i = 0; i < 2; ++i) {
    tasks.push_back(runtime_.spawn("reader", [&](const auto& stop) { read_through_reader(stop); }));
    tasks.push_back(runtime_.spawn("plain reader", [&](const auto& stop) { read_plainly(stop); }));
  }
  const auto end = runtime_.in(std::chrono::seconds(seconds));
  std::uint64_t published = 0;
  while (!end.passed(runtime_.now()) && !HasFailure()) {
    publish(owner_.get());
    ++published;
  }
  for (auto& task : tasks) task.request_stop();
  for (auto& task : tasks) task.join();
  std::cout << published << " versions, " << writes_ << " writes, " << reads_ << " reads, " << plain_reads_
            << " by other programs\n";
  EXPECT_GT(reads_, 0U);
  EXPECT_GT(plain_reads_, 0U);
}

// By the program, as another process than the owner's. Each has an arbiter of its own, so that it need not wait for the
// dead one's lease: what the folder's fence is for.
TEST_F(PublisherSoak, KilledAtAnyMomentItLeavesAWholeVersionAndTheNextCleansUp) {
  constexpr int kKills = 200;
  const auto program = files_.read_symlink("/proc/self/exe").parent_path() / "tidelock";
  auto writer = runtime_.spawn("writer", [&](const auto& stop) { write(0, stop); });
  const auto start = [&](int round) {
    const auto state = "sqlite:" + (temp_ / ("state-" + std::to_string(round) + ".db")).string();
    return base::ChildProcess(runtime_, {.argv = {program, "replica", "publish", master(), "--to", folder_path(),
                                                  "--on", state, "--keep", "2"},
                                         .out = base::Stream::null()});
  };
  auto plain = plain_reader();
  std::uint64_t sequence = 0;
  int killed = 0;
  for (int round = 0; killed < kKills && !HasFailure(); ++round) {
    auto child = start(round);
    const auto patience = std::chrono::milliseconds(runtime_.random() % 400);
    if (!child.wait(runtime_.in(patience))) {
      child.signal(SIGKILL);
      child.wait();
      ++killed;
    }
    check(plain);
    const auto current = folder().current_sequence();
    ASSERT_TRUE(current);
    ASSERT_GE(*current, sequence);
    sequence = *current;
    ASSERT_EQ(differing_blocks(files_, folder().file(sequence), folder().read_manifest(sequence)),
              std::vector<std::uint64_t>{});
  }
  writer.request_stop();
  writer.join();
  EXPECT_EQ(start(-1).wait()->code, 0);
  for (const auto& entry : folder().entries()) {
    EXPECT_NE(entry.kind, Folder::Entry::Kind::part) << entry.name;
    EXPECT_NE(entry.kind, Folder::Entry::Kind::temporary) << entry.name;
  }
  std::cout << killed << " killed, version " << sequence << "\n";
}

}  // namespace
}  // namespace tidelock::replica
