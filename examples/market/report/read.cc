#include "examples/market/report/read.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace market {
namespace {

using tidelock::sql::Executor;

constexpr int kCloses = 25;  // Of each group's line.
constexpr int kBars = 160;   // Of each chart; more than the widest shows.

// "a; b" of watchlist.reason.
std::vector<std::string> split_reasons(const std::string& text) {
  std::vector<std::string> result;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find("; ", start), text.size());
    if (end > start) result.push_back(text.substr(start, end - start));
    start = end + 2;
  }
  return result;
}

std::vector<Group> read_groups(Executor& sql, Date day) {
  std::map<int, std::vector<double>> histories;
  for (auto row : sql.query(R"(
         select group_id, previous, value from group_stats
         where closed_at is not null
           and day in (select distinct day from group_stats where closed_at is not null and day <= ? order by day desc limit ?)
         order by group_id, day)",
                            day, kCloses - 1)) {
    auto& history = histories[row.get<int>(0)];
    if (history.empty()) history.push_back(row.get<double>(1));
    history.push_back(row.get<double>(2));
  }
  std::vector<Group> groups;
  for (auto row : sql.query(R"(
         select group_id, name, leaning, members, previous, value, coalesce(best_symbol, ''), coalesce(worst_symbol, '')
         from group_stats join groups using (group_id)
         where day = ? and closed_at is not null
         order by change / nullif(previous, 0) desc, name)",
                            day)) {
    groups.push_back({.id = row.get<int>(0),
                      .name = row.get<std::string>(1),
                      .leaning = row.get<std::string>(2),
                      .members = row.get<int>(3),
                      .previous = row.get<double>(4),
                      .value = row.get<double>(5),
                      .best_symbol = row.get<std::string>(6),
                      .worst_symbol = row.get<std::string>(7),
                      .history = std::move(histories[row.get<int>(0)])});
  }
  return groups;
}

std::vector<Bar> read_bars(Executor& sql, const std::string& symbol, Date day) {
  std::vector<Bar> bars;
  for (auto row : sql.query(R"(
         select * from (
           select date, open, high, low, close, volume, sma_20, sma_60, bollinger_low, bollinger_high, macd, macd_signal,
                  macd_histogram, rsi_14
           from bars join indicators using (symbol, date)
           where symbol = ? and date <= ?
           order by date desc limit ?)
         order by date)",
                            symbol, day, kBars)) {
    const auto known = [&row](std::size_t column) { return row.get<std::optional<double>>(column); };
    bars.push_back({.date = row.get<Date>(0),
                    .open = row.get<double>(1),
                    .high = row.get<double>(2),
                    .low = row.get<double>(3),
                    .close = row.get<double>(4),
                    .volume = row.get<double>(5),
                    .sma_20 = known(6),
                    .sma_60 = known(7),
                    .bollinger_low = known(8),
                    .bollinger_high = known(9),
                    .macd = known(10),
                    .macd_signal = known(11),
                    .macd_histogram = known(12),
                    .rsi_14 = known(13)});
  }
  return bars;
}

std::vector<Watched> read_watchlist(Executor& sql, Date day) {
  std::vector<Watched> watchlist;
  for (auto row : sql.query(R"(
         select watchlist.rank, watchlist.symbol, symbols.company_name, coalesce(symbols.sector, ''), watchlist.reason,
                indicators.volatility_20, before.volume_20
         from watchlist join symbols using (symbol)
         join indicators on indicators.symbol = watchlist.symbol and indicators.date = watchlist.day
         left join (select symbol, arg_max(volume_20, date) as volume_20 from indicators where date < ? group by symbol)
           as before on before.symbol = watchlist.symbol
         where watchlist.day = ?
         order by watchlist.rank)",
                            day, day)) {
    watchlist.push_back({.rank = row.get<int>(0),
                         .symbol = row.get<std::string>(1),
                         .company = row.get<std::string>(2),
                         .sector = row.get<std::string>(3),
                         .reasons = split_reasons(row.get<std::string>(4)),
                         .volatility_20 = row.get<std::optional<double>>(5),
                         .usual_volume = row.get<std::optional<double>>(6),
                         .bars = {}});
  }
  for (Watched& watched : watchlist) watched.bars = read_bars(sql, watched.symbol, day);
  return watchlist;
}

// How many symbols closed above and below their close before.
void read_breadth(Executor& sql, Report& report) {
  for (auto row : sql.query(R"(
         select count(*) filter (close > before), count(*) filter (close < before), count(*) filter (close = before)
         from (
           select date, close, lag(close) over (partition by symbol order by date) as before
           from bars where date between ? and ?)
         where date = ?)",
                            report.day_before, report.day, report.day)) {
    report.advancing = row.get<int>(0);
    report.declining = row.get<int>(1);
    report.unchanged = row.get<int>(2);
  }
}

}  // namespace

std::optional<Report> read_report(Executor& sql) {
  const auto day = sql.one<std::optional<Date>>("select max(day) from group_stats where closed_at is not null");
  if (!day) return std::nullopt;
  Report report;
  report.day = *day;
  report.day_before = sql.one<std::optional<Date>>("select max(date) from bars where date < ?", *day).value_or(*day);
  report.users = sql.one<int>("select count(*) from users");
  report.groups = read_groups(sql, *day);
  report.watchlist = read_watchlist(sql, *day);
  read_breadth(sql, report);
  return report;
}

}  // namespace market
