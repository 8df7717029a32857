#include "examples/market/live/exchange.h"

#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"

namespace market {

Exchange::Exchange(tidelock::base::Runtime& runtime, tidelock::base::Files& files, const tidelock::base::Path& bars,
                   Date from) {
  const auto database = tidelock::sql::open(runtime, files, tidelock::base::Url::parse("duckdb::memory:?threads=1"));
  auto connection = database->connect();
  for (const auto row : connection.query(
           "select symbol, date, open, high, low, close from read_csv(?, header = true, columns = {symbol: 'varchar', "
           "date: 'date', open: 'double', high: 'double', low: 'double', close: 'double', volume: 'bigint'}) "
           "where date >= ? and open is not null and high is not null and low is not null and close is not null "
           "order by symbol, date",
           bars.string(), from)) {
    const auto day = row.get<Date>(1);
    days_.insert(day);
    bars_.emplace_hint(bars_.end(), std::pair(row.get<std::string>(0), day),
                       DayBar{.open = row.get<double>(2),
                              .high = row.get<double>(3),
                              .low = row.get<double>(4),
                              .close = row.get<double>(5)});
  }
}

std::optional<DayBar> Exchange::bar(const std::string& symbol, Date day) const {
  const auto found = bars_.find({symbol, day});
  return found == bars_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace market
