#include "examples/market/live/books.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tidelock/base/error.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"

namespace market {
namespace {

namespace base = tidelock::base;
namespace replica = tidelock::replica;
namespace sql = tidelock::sql;

// A replica that is not there, until it has a version.
class ReplicaOfTheTest final : public Source {
 public:
  ReplicaOfTheTest(sql::Database& database, std::optional<replica::Version>& version)
      : database_(database), version_(version) {}

  Reading read() override {
    if (!version_) throw tidelock::Error(tidelock::Code::not_found, "there is no replica");
    return {database_.connect(), version_};
  }
  void wait_for_news(base::Deadline, const std::stop_token&) override {}

 private:
  sql::Database& database_;
  std::optional<replica::Version>& version_;
};

class BooksTest : public ::testing::Test {
 protected:
  std::unique_ptr<Source> source() { return std::make_unique<ReplicaOfTheTest>(*database_, version_); }
  static bool read(Books& books) {
    return books.read([](sql::Connection& connection) { EXPECT_EQ(connection.one<int>("select 1"), 1); });
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  std::unique_ptr<sql::Database> database_ = sql::open(runtime_, files_, base::Url::parse("duckdb::memory:"));
  std::optional<replica::Version> version_;
};

TEST_F(BooksTest, BeforeTheFirstVersionNothingIsThereToReadWhichIsNoFailure) {
  Books books(source());
  EXPECT_FALSE(read(books));
  EXPECT_EQ(books.counts()["reads"], 0);
  EXPECT_EQ(books.counts()["reads_failed"], 0);
}

TEST_F(BooksTest, AReplicaThatIsGoneAfterItWasReadIsAFailedRead) {
  Books books(source());
  version_ = replica::Version{.epoch = {}, .sequence = 1};
  EXPECT_TRUE(read(books));
  version_.reset();
  EXPECT_FALSE(read(books));
  EXPECT_EQ(books.counts()["reads"], 2);
  EXPECT_EQ(books.counts()["reads_failed"], 1);
  EXPECT_EQ(books.counts()["last_failure"], "there is no replica");

  Books of_the_next_process(source());
  of_the_next_process.resume(books.counts());
  EXPECT_FALSE(read(of_the_next_process));
  EXPECT_EQ(of_the_next_process.counts()["reads_failed"], 2);
}

}  // namespace
}  // namespace market
