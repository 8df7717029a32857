#include "tidelock/sql/spy/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <span>

#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

TEST(SpyLogLine, OfJsonHasTheValuesPutIn) {
  const auto entry = parse_log_line(
      R"({"time":"2024-02-29T15:04:05.006007Z","micros":12345,"category":"statement","sql":"select ?, '?', ?, ?",)"
      R"("values":["it's",null,7],"rows":2,"job":"nightly","run":"12","step":"totals"})");
  EXPECT_EQ(entry.elapsed, 12'345us);
  EXPECT_EQ(entry.sql, "select ?, '?', ?, ?");
  EXPECT_EQ(entry.effective, "select 'it''s', '?', NULL, 7");
  EXPECT_EQ(entry.rows, 2);
  EXPECT_EQ(entry.job + entry.run + entry.step, "nightly12totals");
}

TEST(SpyLogLine, OfP6SpyIsSplitWhereItsTwoTextsAre) {
  const auto both = [](std::string_view texts) {
    const auto entry =
        parse_log_line("1709219045006|12|statement|connection 3|url jdbc:h2:mem:x|" + std::string(texts));
    EXPECT_EQ(entry.elapsed, 12ms);
    return entry.sql + " -> " + entry.effective;
  };
  EXPECT_EQ(both("select ?|select 5"), "select ? -> select 5");
  EXPECT_EQ(both("select a || b|select a || b"), "select a || b -> select a || b");
  EXPECT_EQ(both("select ? || b|select 'x|y' || b"), "select ? || b -> select 'x|y' || b");
  EXPECT_EQ(both("a|b from t where x = ?|a|b from t where x = 1"), "a|b from t where x = ? -> a|b from t where x = 1");
  EXPECT_EQ(both("|"), " -> ");
  EXPECT_EQ(both("select a || ? from t where b = ?|select a || NULL from t where b = true"),
            "select a || ? from t where b = ? -> select a || NULL from t where b = true");
  EXPECT_EQ(both("select a || b where c = ?|select a || b where c = date '2024-02-29'"),
            "select a || b where c = ? -> select a || b where c = date '2024-02-29'");
  EXPECT_EQ(both("select ? || b where j ?? '|' and c = ?|select 'x||y' || b where j ? '|' and c = '|'::uuid"),
            "select ? || b where j ?? '|' and c = ? -> select 'x||y' || b where j ? '|' and c = '|'::uuid");
  EXPECT_EQ(both("select a || ? -- why?|select a || -5 -- why?"), "select a || ? -- why? -> select a || -5 -- why?");
  EXPECT_EQ(both("select a || ?|nothing like it"), "select a  -> | ?|nothing like it");
  EXPECT_EQ(parse_log_line("1709219045006|-1|info|connection -1|url |x|x").elapsed, 0us);
}

TEST(SpyLogLine, OfP6SpyIsReadInTimeThatGrowsWithIt) {
  const auto many = [](std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
  };
  const auto read = [](const std::string& texts) {
    return parse_log_line("1709219045006|12|statement|connection 3|url u|" + texts).sql.size();
  };
  EXPECT_EQ(read("select ?" + many(" || a", 100'000) + "|select NULL" + many(" || a", 100'000)), 500'008U);
  EXPECT_EQ(read("select ?" + many("||||||||||", 100'000) + "b|select NULL"), 8U);  // They do not belong together.
  EXPECT_GT(read(many("?|", 500'000) + "b"), 0U);
  EXPECT_GT(read("a?" + many("|a", 500'000) + "b"), 0U);
}

#if TIDELOCK_HAVE_MARIADB
TEST(SpyLogLine, IsReadAsItsDatabaseReadsIt) {
  const auto entry = parse_log_line(
      R"({"micros":1,"category":"statement","database":"mariadb://app@h/shop?ansi=false","sql":"select \"?\", 'it\\'?', ?",)"
      R"("values":["a\\b"]})");
  EXPECT_EQ(entry.effective, R"(select "?", 'it\'?', 'a\\b')");
  const auto single =
      parse_log_line(R"(17|1|statement|connection 3|url jdbc:mysql://h/shop?x=y|select '\'?|?', ?|select '\'?|?', 5)");
  EXPECT_EQ(single.sql, R"(select '\'?|?', ?)");
}

TEST(SpyReport, GroupsTextsAsTheirDatabaseReadsThem) {
  const auto statement = [](const char* database) {
    Report report;
    for (const auto* name : {"bob", "eve"}) {
      LogEntry entry;
      entry.category = "statement";
      entry.database = database;
      entry.sql = std::string("select 1 from u where name = \"") + name + "\" # it's";
      report.add(entry);
    }
    return report.summary(10).distinct;
  };
  EXPECT_EQ(statement("mariadb://app:***@h/shop?ansi=false"), 1U);
  EXPECT_EQ(statement("mariadb://app@h/shop"), 2U);  // Names, as in standard SQL.
  EXPECT_EQ(statement("jdbc:mysql://h/shop?useSSL=false"), 1U);
  EXPECT_EQ(statement("postgres://h/shop"), 2U);
  EXPECT_EQ(statement("jdbc:h2:mem:x"), 2U);
  EXPECT_EQ(statement(""), 2U);
}
#endif

TEST(SpyLogLine, ThatCannotBeReadSaysWhy) {
  for (const auto* bad : {"", "x", "{", "{}", R"({"category":"statement","micros":"5"})", "1|2|3|4|5|6|7",
                          "1|x|statement|connection 1|url u|a|a", "1|2|statemint|connection 1|url u|a|a",
                          "#1 | took 2ms | statement | connection 1| url u", "1|2|statement|connection 1|url u|a"}) {
    EXPECT_THROW_CODE(parse_log_line(bad), Code::invalid_argument);
  }
}

TEST(SpyLogLine, OfJsonWithAValueThatIsNoneCannotBeRead) {
  const auto line = [](const std::string& micros, const std::string& values) {
    return R"({"category":"statement","sql":"select ?","micros":)" + micros + R"(,"values":)" + values + "}";
  };
  constexpr std::size_t kDeep = 60'000;  // Which no recursion survives.
  EXPECT_THROW_CODE(parse_log_line(line("1", "[" + std::string(kDeep, '[') + std::string(kDeep, ']') + "]")),
                    Code::invalid_argument);
  EXPECT_THROW_CODE(parse_log_line(line("1", R"([1,{"a":1}])")), Code::invalid_argument);
  EXPECT_THROW_CODE(parse_log_line(line("-1", "[1]")), Code::invalid_argument);
  EXPECT_THROW_CODE(parse_log_line(line("1000000000000001", "[1]")), Code::invalid_argument);
  EXPECT_THROW_CODE(parse_log_line(line("18446744073709551615", "[1]")), Code::invalid_argument);
  EXPECT_EQ(parse_log_line(line("1000000000000000", "[1]")).elapsed.count(), 1'000'000'000'000'000);
}

TEST(SpyDurations, AreRightToOnePercent) {
  std::mt19937_64 random(7);
  Durations durations;
  std::vector<std::int64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<std::int64_t>(random() >> (random() % 40 + 22));
    all.push_back(value);
    durations.add(microseconds(value));
  }
  std::ranges::sort(all);
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank =
        std::max<std::size_t>(static_cast<std::size_t>(q * static_cast<double>(all.size()) + 0.999999), 1);
    const auto exact = static_cast<double>(all[rank - 1]);
    EXPECT_NEAR(static_cast<double>(durations.quantile(q).count()), exact, exact * 0.01) << q;
  }
  EXPECT_EQ(Durations().quantile(0.5), 0us);
}

WORLD_TEST(SpyReport, GroupsByStatementAndPutsWhatTookLongestFirst) {
  std::string log;
  for (int i = 1; i <= 100; ++i) {
    log += "{\"time\":\"t" + std::to_string(i) + "\",\"micros\":" + std::to_string(i) +
           ",\"category\":\"statement\",\"sql\":\"select * from t where id = ?\",\"values\":[" + std::to_string(i) +
           "],\"rows\":1}\n";
  }
  log += "1709219045006|90|statement|connection 3|url u|delete from t where id = 7|delete from t where id = 7\n";
  log += "1709219045006|1|error|connection 3|url u|delete from t where id = ?|delete from t where id = 8\r\n";
  log += "{\"micros\":5000,\"category\":\"outage\",\"sql\":\"delete from t where id = ?\"}\n";
  log += "garbage\n\n";
  log += "{\"micros\":3,\"category\":\"commit\",\"rows\":0}";  // Without an end.
  files.write_atomically("/spy.log", log);

  LogReader reader(files, "/spy.log");
  Report report;
  while (auto entry = reader.next()) report.add(*std::move(entry));
  const auto summary = report.summary(2);
  EXPECT_EQ(summary.entries, 104U);
  EXPECT_EQ(summary.errors, 1U);
  EXPECT_EQ(summary.outages, 1U);
  EXPECT_EQ(summary.distinct, 3U);
  EXPECT_EQ(summary.first, "t1");
  ASSERT_EQ(summary.statements.size(), 2U);
  const auto& deleted = summary.statements[0];
  EXPECT_EQ(deleted.statement, "delete from t where id = ?");
  EXPECT_EQ(deleted.count, 2U);
  EXPECT_EQ(deleted.errors, 1U);
  EXPECT_EQ(deleted.outages, 1U);
  EXPECT_EQ(deleted.total, 91ms);
  EXPECT_EQ(deleted.max, 90ms);
  const auto& selected = summary.statements[1];
  EXPECT_EQ(selected.count, 100U);
  EXPECT_EQ(selected.rows, 100);
  EXPECT_EQ(selected.total, 5050us);
  EXPECT_EQ(selected.p50, 50us);
  EXPECT_EQ(selected.p99, 99us);
  EXPECT_EQ(selected.max, 100us);
  ASSERT_EQ(selected.slowest.size(), 3U);
  EXPECT_EQ(selected.slowest[0].effective, "select * from t where id = 100");
  EXPECT_EQ(selected.slowest[0].line, 100U);
  EXPECT_EQ(selected.slowest[2].elapsed, 98us);
  EXPECT_EQ(report.summary(5).statements[2].statement, "[commit]");
  ASSERT_EQ(reader.unreadable_count(), 1U);
  EXPECT_EQ(reader.unreadable()[0].line, 104U);
}

LogEntry took(std::string sql, microseconds elapsed, std::int64_t rows = 1) {
  LogEntry entry;
  entry.category = "statement";
  entry.effective = sql;
  entry.sql = std::move(sql);
  entry.elapsed = elapsed;
  entry.rows = rows;
  return entry;
}

TEST(SpyReport, KeepsWhatTookLongestWhenThereAreTooManyStatements) {
  Report report({.statements = 10});
  report.add(took("select dear", 1s));
  for (int i = 0; i < 1000; ++i) report.add(took("select c" + std::to_string(i), 1us));
  report.add(took("select late", 2s));
  const auto summary = report.summary(20);
  EXPECT_EQ(summary.entries, 1002U);
  EXPECT_EQ(summary.distinct, 1002U);
  EXPECT_EQ(summary.total, 3s + 1ms);
  EXPECT_GE(summary.left_out, 1002U - 10U);
  ASSERT_LE(summary.statements.size(), 11U);
  EXPECT_EQ(summary.statements[0].statement, "select late");
  EXPECT_EQ(summary.statements[1].statement, "select dear");
  const auto& others = summary.statements[2];
  EXPECT_EQ(others.statement, "[others]");
  EXPECT_EQ(others.count, summary.left_out);
  EXPECT_EQ(others.rows, static_cast<std::int64_t>(summary.left_out));
  EXPECT_EQ(others.p99, 1us);
  EXPECT_EQ(others.slowest.size(), 3U);
}

TEST(SpyReport, KeepsNoMoreThanSoManyBytesOfLongStatements) {
  Report report({.bytes = 1 << 20});
  const std::string column(20'000, 'c');
  for (int i = 0; i < 200; ++i) {
    report.add(took("select t" + std::to_string(i) + "." + column + " where '" + column + "' = x", microseconds(i)));
  }
  const auto summary = report.summary(200);
  EXPECT_EQ(summary.distinct, 200U);
  std::size_t bytes = 0;
  for (const auto& each : summary.statements) {
    bytes += 2 * each.statement.size();
    for (const auto& entry : each.slowest) bytes += entry.effective.size() + entry.sql.size();
  }
  EXPECT_GT(bytes, std::size_t{100} << 10);
  EXPECT_LT(bytes, std::size_t{2} << 20);
  EXPECT_GT(summary.left_out, 150U);
}

TEST(SpyReport, TellsLongStatementsApartThatBeginAlike) {
  Report report;
  const std::string begin = "select " + std::string(40'000, 'a');
  for (const char* end : {"b", "c", "b"}) report.add(took(begin + end, 1us));
  const auto summary = report.summary(3);
  ASSERT_EQ(summary.statements.size(), 2U);
  EXPECT_EQ(summary.statements[0].count, 2U);
  EXPECT_LT(summary.statements[0].statement.size(), 17'000U);
}

TEST(SpyReport, SumsThatNoNumberHoldsAreTheGreatestThereIs) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  Report report;
  for (const auto* rows : {"9223372036854775807", "18446744073709551615", "1", "-5"}) {
    report.add(
        parse_log_line(R"({"micros":1,"category":"statement","sql":"select a","rows":)" + std::string(rows) + "}"));
  }
  EXPECT_EQ(report.summary(1).statements[0].rows, kMax);
  for (int i = 0; i < 10'000; ++i) report.add(took("select b", microseconds(1'000'000'000'000'000)));
  EXPECT_EQ(report.summary(1).total.count(), kMax);
  EXPECT_EQ(report.summary(1).statements[0].total.count(), kMax);
}

TEST(SpyReport, ReadsWhatComesInOrder) {
  std::string log;
  for (int i = 0; i < 1000; ++i) log += "{\"micros\":1,\"category\":\"commit\"}\n";
  LogReader reader([&, at = std::size_t{0}](std::span<std::byte> out) mutable {
    const auto size = std::min(out.size(), log.size() - at);
    std::ranges::copy(std::as_bytes(std::span(log).subspan(at, size)), out.begin());
    at += size;
    return size;
  });
  int count = 0;
  while (reader.next()) ++count;
  EXPECT_EQ(count, 1000);
  EXPECT_EQ(reader.size_bytes(), 0U);
}

WORLD_TEST(SpyReport, PassesOverALineThatIsTooLong) {
  files.write_atomically("/spy.log", "{\"micros\":1,\"category\":\"commit\"}\n" + std::string(40 << 20, 'x') +
                                         "\n{\"micros\":2,\"category\":\"commit\"}\n");
  LogReader reader(files, "/spy.log");
  EXPECT_EQ(reader.next()->line, 1U);
  EXPECT_EQ(reader.next()->line, 3U);
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.unreadable()[0].line, 2U);
}

}  // namespace
}  // namespace tidelock::sql::spy
