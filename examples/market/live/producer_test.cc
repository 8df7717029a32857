#include "examples/market/live/producer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/base/url.h"
#include "tidelock/broker/backends/all.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

namespace market {
namespace {

using namespace std::chrono_literals;
namespace base = tidelock::base;
namespace broker = tidelock::broker;
namespace sql = tidelock::sql;

// Nothing, until a database is put there.
class BooksOfTheTest final : public Source {
 public:
  BooksOfTheTest(base::Runtime& runtime, std::unique_ptr<sql::Database>& database)
      : runtime_(runtime), database_(database) {}

  Reading read() override {
    if (database_ == nullptr) throw tidelock::Error(tidelock::Code::not_found, "no version was published");
    return {database_->connect(), std::nullopt};
  }
  void wait_for_news(base::Deadline deadline, const std::stop_token& stop) override {
    runtime_.sleep_until(std::min(deadline, runtime_.in(5ms)).at(), stop);
  }

 private:
  base::Runtime& runtime_;
  std::unique_ptr<sql::Database>& database_;
};

class ProducerTest : public ::testing::Test {
 protected:
  ProducerTest() {
    files_.write_atomically(temp_ / "bars.csv",
                            "symbol,date,open,high,low,close,volume\n"
                            "AAPL,2018-01-03,10,14,8,12,5\nMSFT,2018-01-03,20,24,18,22,5\n"
                            "AAPL,2018-01-04,12,14,8,10,5\nZION,2018-01-04,30,34,28,32,5\n");
  }

  // Runs a producer until so many ticks have come; returns them as "day symbol number".
  std::vector<std::string> ticks(std::size_t count) {
    const Exchange exchange(runtime_, files_, temp_ / "bars.csv", Date{});
    Books books(std::make_unique<BooksOfTheTest>(runtime_, database_));
    base::Log log(runtime_, base::LogLevel::error, {});
    Producer producer(runtime_, files_, *broker_, books, exchange, log,
                      {.ticks = 2, .from = std::nullopt, .status = temp_ / "status.json"});
    auto producing = runtime_.spawn("producer", [&](const std::stop_token& stop) { producer.run(stop); });
    auto consumer = broker_->consumer("test", {kTopic});
    std::vector<std::string> seen;
    const auto patience = runtime_.in(20s);
    while (seen.size() < count && !patience.passed(runtime_.now())) {
      for (const auto& delivery : consumer->poll(100, patience)) {
        const auto tick = parse_tick(delivery.message.payload);
        seen.push_back(to_text(tick.day) + " " + tick.symbol + " " + std::to_string(tick.number));
      }
      consumer->commit();
    }
    producing.request_stop();
    producing.join();
    std::ranges::sort(seen);
    return seen;
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder temp_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<broker::Broker> broker_ =
      broker::open(runtime_, files_, base::Url::parse("sqlite:" + (temp_ / "prices.db").string()));
};

using Ticks = std::vector<std::string>;

TEST_F(ProducerTest, WithoutBooksPublishesTheDefaultListOfTheFirstDayAndThenWhatTheBooksSay) {
  const Ticks first_day{"2018-01-03 AAPL 0", "2018-01-03 AAPL 1", "2018-01-03 MSFT 0", "2018-01-03 MSFT 1"};
  EXPECT_EQ(ticks(4), first_day);

  database_ = sql::open(runtime_, files_, base::Url::parse("duckdb::memory:"));
  database_->script(
      "create table group_stats as select date '2018-01-03' as day union all select date '2018-01-04';"
      "create table watchlist as select date '2018-01-03' as day, 1 as rank, 'ZION' as symbol");
  EXPECT_EQ(ticks(2), (Ticks{"2018-01-04 ZION 0", "2018-01-04 ZION 1"}));
}

TEST_F(ProducerTest, OneThatWasKilledCountsOn) {
  nlohmann::json status{{"reads", 7},     {"reads_failed", 3},  {"lock_conflicts", 2}, {"versions", 1},
                        {"went_back", 0}, {"last_failure", ""}, {"publish_errors", 4}};
  files_.write_atomically(temp_ / "status.json", status.dump());
  ticks(4);
  status = nlohmann::json::parse(files_.read(temp_ / "status.json"));
  EXPECT_GE(status["reads_failed"], 3);
  EXPECT_EQ(status["lock_conflicts"], 2);
  EXPECT_EQ(status["publish_errors"], 4);
  files_.write_atomically(temp_ / "status.json", "{}");
  EXPECT_THROW_CODE(ticks(0), tidelock::Code::corrupt);
}

}  // namespace
}  // namespace market
