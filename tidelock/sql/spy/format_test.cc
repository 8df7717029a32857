#include "tidelock/sql/spy/format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

using namespace std::chrono_literals;

Record record_of(std::string_view sql, std::vector<Value> values = {}) {
  const auto place = std::make_shared<const Place>(Place{"sqlite:shop.db", "sqlite", {}});
  Record record;
  record.time = std::chrono::sys_days(std::chrono::year(2024) / 2 / 29) + 15h + 4min + 5s + 6007us;
  record.elapsed = 12'345us;
  record.statement = std::make_shared<const StatementText>(place, sql, SecretNames(), true);
  record.connection = 3;
  record.transaction = 17;
  record.values = std::move(values);
  record.rows = 2;
  record.work = {.job = "nightly", .run = "12", .step = "totals", .token = 99};
  return record;
}

std::string line(const FormatOptions& options, const Record& record) {
  std::string out;
  Formatter(options).append(out, record);
  return out;
}

const auto kQuery = "select *\nfrom t\nwhere a = ?";
const std::vector<Value> kValues{std::string("it's")};

TEST(SpyFormat, IsP6SpysToTheLetter) {
  const auto record = record_of(kQuery, kValues);
  EXPECT_EQ(line({.format = Format::single}, record),
            "1709219045006|12|statement|connection 3|url sqlite:shop.db|select * from t where a = ?|"
            "select * from t where a = 'it''s'\n");
  EXPECT_EQ(line({.format = Format::multi}, record),
            "#1709219045006 | took 12ms | statement | connection 3| url sqlite:shop.db\n"
            "select *\nfrom t\nwhere a = ?\nselect *\nfrom t\nwhere a = 'it''s';\n");
  EXPECT_EQ(line({.format = Format::custom}, record),
            "1709219045006|12|statement|connection3|select * from t where a = 'it''s'\n");
  EXPECT_EQ(line({.format = Format::custom,
                  .custom = "%(category) %(effectiveSql)/%(sql)/%(effectiveSqlSingleLine) 100% %(url)"},
                 record),
            "statement select *\nfrom t\nwhere a = ?/select *\nfrom t\nwhere a = 'it''s'/select * from t where a = ? "
            "100% sqlite:shop.db\n");
}

TEST(SpyFormat, HasPlaceholdersForWhatP6SpyDoesNotKnow) {
  auto record = record_of(kQuery, kValues);
  record.error = "no\nsuch table";
  EXPECT_EQ(line({.format = Format::custom,
                  .custom = "%(micros) %(rows) %(job)/%(step) run %(run) token %(token) tx %(transaction) %(error)"},
                 record),
            "12345 2 nightly/totals run 12 token 99 tx 17 no such table\n");
  record.work = {};
  record.transaction = 0;
  EXPECT_EQ(line({.format = Format::custom, .custom = "[%(run)%(token)%(transaction)]"}, record), "[]\n");
  try {
    Formatter({.custom = "%(sqlSingelLine)"});
    FAIL() << "an unknown placeholder";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid_argument);
    EXPECT_NE(error.message().find("did you mean %(sqlSingleLine)?"), std::string::npos) << error.message();
  }
  EXPECT_THROW_CODE(Formatter({.custom = "%(sql"}), Code::invalid_argument);
}

TEST(SpyFormat, WritesTheTimeAsAsked) {
  const auto record = record_of("select 1");
  EXPECT_EQ(line({.format = Format::custom,
                  .custom = "%(currentTime)",
                  .date_format = "yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                  .zone = "Europe/Berlin"},
                 record),
            "2024-02-29T16:04:05.006+0100\n");
  EXPECT_THROW_CODE(Formatter({.date_format = "wwww"}), Code::invalid_argument);
  EXPECT_EQ(line({.format = Format::custom, .custom = "%(sql)", .date_literals = "dd/MM/yyyy"},
                 record_of("d = ?", {Date(std::chrono::year(2024) / 2 / 29)})),
            "d = '29/02/2024'\n");
}

TEST(SpyFormat, LaysTheStatementOut) {
  const auto record = record_of("select a from t where b = ? and c = 1", {std::int64_t{4}});
  EXPECT_EQ(line({.format = Format::custom, .custom = "%(sql)", .layout = Layout::clauses}, record),
            "select a\nfrom t\nwhere b = 4\n  and c = 1\n");
  EXPECT_EQ(line({.format = Format::custom, .custom = "%(sql)", .layout = Layout::line}, record_of("a\nb")), "a b\n");
}

TEST(SpyFormat, GivesJsonWithEverythingInIt) {
  auto record = record_of("select ?, ?, ?, ?, ?", {Null{}, true, std::int64_t{-5}, 0.5, std::string("a\"\\\n\x01ü")});
  record.error = "bad \xff byte";
  const auto text = line({}, record);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["time"], "2024-02-29T15:04:05.006007Z");
  EXPECT_EQ(json["micros"], 12'345);
  EXPECT_EQ(json["category"], "statement");
  EXPECT_EQ(json["database"], "sqlite:shop.db");
  EXPECT_EQ(json["connection"], 3);
  EXPECT_EQ(json["transaction"], 17);
  EXPECT_EQ(json["sql"], "select ?, ?, ?, ?, ?");
  EXPECT_EQ(json["values"], nlohmann::json::parse(R"([null, true, -5, 0.5, "a\"\\\n\u0001ü"])"));
  EXPECT_EQ(json["rows"], 2);
  EXPECT_EQ(json["error"], "bad \xEF\xBF\xBD byte");
  EXPECT_EQ(json["job"], "nightly");
  EXPECT_EQ(json["run"], "12");
  EXPECT_EQ(json["step"], "totals");
  EXPECT_EQ(json["token"], 99);
  record = record_of("");
  record.work = {};
  EXPECT_EQ(line({}, record),
            "{\"time\":\"2024-02-29T15:04:05.006007Z\",\"micros\":12345,\"category\":\"statement\","
            "\"database\":\"sqlite:shop.db\",\"connection\":3,\"transaction\":17,\"rows\":2}\n");
}

}  // namespace
}  // namespace tidelock::sql::spy
