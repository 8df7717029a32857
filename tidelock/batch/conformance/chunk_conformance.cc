// How rows of files and queries are loaded in chunks, and what becomes of bad ones, on a store of each engine.
#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "tidelock/batch/conformance/engines.h"
#include "tidelock/batch/conformance/items.h"
#include "tidelock/batch/testing/before.h"
#include "tidelock/batch/testing/packed.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch::conformance {
namespace {

using testing::Before;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::job_of;

TEST_P(BatchRunner, LoadsAFileInChunks) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1.50\n2,2\n3,3\n4,4\n5,5\n");
    const auto result = bench.run(job_of(load_items(place)));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_read, 5);
    EXPECT_EQ(result.rows_written, 5);
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 3, 4, 5));
    const auto details = bench.history().show(1);
    ASSERT_EQ(details.steps.size(), 1);
    EXPECT_EQ(details.steps[0].commits, 3);
    EXPECT_EQ(details.steps[0].status, "completed");
    EXPECT_EQ(details.run.executions, 1);
  });
}

TEST_P(BatchRunner, RecordsBadRowsAndLoadsTheOthers) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\ntwo,2\n3,-3\n4,4,4\n5,5000\n1,6\n7,7\n");
    auto step = load_items(place);
    step.chunk_rows = 10;
    step.max_skips = 5;
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_skipped, 5);
    EXPECT_EQ(result.rows_written, 2);
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 7));
    const auto skips = bench.history().show(1).skips;
    ASSERT_EQ(skips.size(), 5);
    EXPECT_EQ(skips[0].place, "items.csv:3");
    EXPECT_EQ(skips[0].record, "two,2");
    EXPECT_EQ(skips[0].error, "id must be of type integer (as 42), not \"two\"");
    EXPECT_EQ(skips[1].error, "price > 0 does not hold");
    EXPECT_EQ(skips[2].error, "it has 3 fields, not the 2 of the header");
    EXPECT_EQ(skips[3].position, 5);
    EXPECT_THAT(skips[3].error, HasSubstr("price"));
    EXPECT_EQ(skips[4].position, 6);
    EXPECT_FALSE(skips[4].error.empty());
  });
}

TEST_P(BatchRunner, FailsAtOneBadRowTooManyAndGoesOnWhenTheFileIsRepaired) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,3\n4,x\n5,5\n");
    const auto job = job_of(load_items(place));
    const auto id = bench.queue(job);
    const auto failed = *bench.runner().execute(id, job);
    EXPECT_EQ(failed.status, RunStatus::failed);
    EXPECT_EQ(
        failed.reason,
        "items.csv:5: price must be of type decimal (as 12.34), not \"x\"; this is bad row 1, and max_skips allows 0");
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2));
    EXPECT_EQ(bench.history().show(id).skips.size(), 1);

    write_items(place, "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
    const auto result = *bench.runner().resume(id, job);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 5);
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_THAT(bench.history().show(id).skips, IsEmpty());
    EXPECT_FALSE(bench.runner().execute(id, job));  // It is over.
  });
}

TEST_P(BatchRunner, DoesNotGoOnInAFileThatChangedBeforeTheCheckpoint) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,x\n");
    const auto job = job_of(load_items(place));
    const auto id = bench.queue(job);
    bench.runner().execute(id, job);
    write_items(place, "id,price\n9,9\n1,1\n2,2\n3,3\n");
    const auto result = *bench.runner().resume(id, job);
    EXPECT_EQ(result.status, RunStatus::failed);
    EXPECT_THAT(result.reason, HasSubstr("the first 2 rows of items.csv are not those that this run has committed"));
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 2));
  });
}

TEST_P(BatchRunner, PassesOverWhatIsNotWanted) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,\n3,3\n4,4\n");
    auto step = load_items(place);
    step.only = "id <> 2 and id < 4";
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_passed_over, 2);
    EXPECT_EQ(result.rows_skipped, 0);
    EXPECT_THAT(ids(bench.store()), ElementsAre(1, 3));
  });
}

TEST_P(BatchRunner, WritesByKey) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    bench.store().execute("insert into item values (1, 10), (2, 20)");
    write_items(place, "id,price\n1,11\n3,33\n");
    auto step = load_items(place);
    step.write = {.kind = Write::Kind::upsert, .table = "item", .key = {"id"}};
    EXPECT_EQ(bench.run(job_of(step)).status, RunStatus::completed);
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 11 + 20 + 33);

    write_items(place, "id,price\n2,22\n4,44\n");
    step.write.kind = Write::Kind::update;
    step.max_skips = 1;
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 1);
    EXPECT_EQ(result.rows_skipped, 1);
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 11 + 22 + 33);
    EXPECT_EQ(bench.history().show(2).skips.at(0).error, "no row of item has this key");
  });
}

// Somebody drops the table between two chunks.
TEST_P(BatchRunner, AMissingTableIsNoBadRow) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    write_items(place, "id,price\n1,1\n2,2\n3,3\n4,4\n5,5\n");
    auto step = load_items(place);
    step.max_skips = 100;
    bench.state().observe(std::make_shared<Before>("set attempts", [&] { bench.store().execute("drop table item"); }));
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::failed);
    EXPECT_EQ(result.rows_skipped, 0);
    EXPECT_THAT(bench.history().show(1).skips, IsEmpty());
  });
}

TEST_P(BatchRunner, ReadsAQueryAndStartsItAnewWhenItGoesOnByKey) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    bench.store().execute("insert into item values (1, 1), (2, 2), (3, 3)");
    const auto job = job_of(ChunkStep{.source = QuerySource{"double.sql", "select id, price * 2 as price from item"},
                                      .write = {.kind = Write::Kind::update, .table = "item", .key = {"id"}},
                                      .chunk_rows = 2});
    const auto result = bench.run(job);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from item"), 12);
  });
}

// A run that is stopped passes over what it has committed.
TEST_P(BatchRunner, InsertsTheRowsOfAQueryOnceAlsoWhenItGoesOn) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    bench.store().execute("create table copied (id integer, price decimal(10, 2))");
    for (int id = 1; id <= 7; ++id) bench.store().execute("insert into item values (?, ?)", id, 10 * id);
    auto job = job_of(ChunkStep{.source = QuerySource{"copy.sql", "select id, price from item order by id"},
                                .write = {.kind = Write::Kind::insert, .table = "copied"},
                                .chunk_rows = 3});
    const auto id = bench.queue(job);
    std::stop_source stop;
    bench.state().observe(std::make_shared<Before>("set attempts", [&] { stop.request_stop(); }));
    EXPECT_EQ(bench.runner().execute(id, job, stop.get_token())->status, RunStatus::interrupted);
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from copied"), 3);
    const auto result = *bench.runner().execute(id, job);
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from copied"), 7);
    EXPECT_EQ(bench.store().one<std::int64_t>("select sum(price) from copied"), 280);
  });
}

TEST_P(BatchRunner, ReadsPlainAndPackedFilesAlike) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    std::string first = "id,price\n";
    std::string second = first;
    std::string third = first;
    for (int i = 1; i <= 300; ++i) first += std::to_string(i) + ",1.25\n";
    for (int i = 301; i <= 600; ++i) second += std::to_string(i) + ",1.25\n";
    for (int i = 601; i <= 900; ++i) third += std::to_string(i) + ",1.25\n";
    auto step = load_items(place);
    step.chunk_rows = 100;
    for (const auto& file : {first, testing::gzip(second), testing::zstd(third)}) {
      write_items(place, file);
      const auto result = bench.run(job_of(step));
      EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
      EXPECT_EQ(result.rows_written, 300);
    }
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(distinct id) from item where price = 1.25"), 900);
  });
}

TEST_P(BatchRunner, InsertsUpsertsAndUpdatesManyRowsAndSkipsWhatTheEngineRefuses) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    std::string csv = "id,price\n";
    for (int i = 1; i <= 500; ++i) csv += std::to_string(i) + (i == 77 ? ",5000\n" : ",1.25\n");
    write_items(place, csv + "3,2\n");
    auto step = load_items(place);
    step.chunk_rows = 200;
    step.max_skips = 2;
    const auto loaded = bench.run(job_of(step));
    EXPECT_EQ(loaded.status, RunStatus::completed) << loaded.reason;
    EXPECT_EQ(loaded.rows_written, 499);
    const auto skips = bench.history().show(1).skips;
    ASSERT_EQ(skips.size(), 2);
    EXPECT_EQ(skips[0].place, "items.csv:78");
    EXPECT_EQ(skips[1].place, "items.csv:502");

    step.write = {.kind = Write::Kind::upsert, .table = "item", .key = {"id"}};
    const auto upserted = bench.run(job_of(step));  // The key 3 comes twice: the last one stays.
    EXPECT_EQ(upserted.status, RunStatus::completed) << upserted.reason;
    EXPECT_EQ(upserted.rows_written, 500);
    EXPECT_EQ(bench.store().one<double>("select price from item where id = 3"), 2.0);

    const auto doubled = bench.run(job_of(ChunkStep{
        .source = QuerySource{"double.sql", "select id, price * 2 as price from item where $today > '1960-01-01'"},
        .write = {.kind = Write::Kind::update, .table = "item", .key = {"id"}},
        .chunk_rows = 50}));
    EXPECT_EQ(doubled.status, RunStatus::completed) << doubled.reason;
    EXPECT_EQ(bench.store().one<double>("select sum(price) from item"), 2 * (498 * 1.25 + 2));
  });
}

// Two rows of one chunk with one key, which some engines refuse in one statement.
TEST_P(BatchRunner, TheLastOfTwoRowsWithOneKeyStays) {
  run([](const Place& place) {
    auto bench = place.bench();
    bench.store().execute(kItems);
    std::string csv = "id,price\n";
    for (int round = 1; round <= 3; ++round) {
      for (int i = 1; i <= 100; ++i) csv += std::to_string(i) + "," + std::to_string(round) + "\n";
    }
    write_items(place, csv);
    auto step = load_items(place);
    step.chunk_rows = 1000;
    step.write = {.kind = Write::Kind::upsert, .table = "item", .key = {"id"}};
    const auto result = bench.run(job_of(step));
    EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
    EXPECT_EQ(result.rows_written, 300);
    EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from item where price = 3"), 100);
  });
}

}  // namespace
}  // namespace tidelock::batch::conformance
#endif
