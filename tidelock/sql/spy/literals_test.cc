#include "tidelock/sql/spy/literals.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

using namespace std::chrono_literals;

const Timestamp kLeapDay = std::chrono::sys_days(std::chrono::year(2024) / 2 / 29) + 15h + 4min + 5s + 7us;

std::vector<Value> one_of_each() {
  return {Null{},
          true,
          std::int64_t{-42},
          std::numeric_limits<std::int64_t>::max(),
          0.1,
          -1e300,
          Decimal("-12.50"),
          std::string("it's \\ a ü\nline?"),
          std::string(),
          Blob{std::byte{0}, std::byte{0xFF}, std::byte{'\''}},
          Date(std::chrono::year(2024) / 2 / 29),
          TimeOfDay{3'661'000'001us},
          kLeapDay,
          base::Uuid::parse("0190163d-8694-739b-aea5-966c26f8ad91"),
          Json{R"({"a": "it's"})"}};
}

std::string literal(const Value& value, std::string_view engine, const Lexis& lexis = {},
                    const LiteralForms& forms = {}) {
  std::string out;
  append_literal(out, value, engine, lexis, forms);
  return out;
}

// The engine itself says whether the literal is the value.
class SpyLiterals : public ::testing::TestWithParam<std::string> {};

TEST_P(SpyLiterals, AreTheValueTheyStandFor) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto db = open(runtime, files, base::Url::parse(GetParam()));
  auto connection = db->connect();
  for (const auto& value : one_of_each()) {
    const auto text = literal(value, db->dialect().engine, db->dialect().lexis);
    if (std::holds_alternative<Null>(value)) {
      EXPECT_EQ(connection.one<int>("select case when (" + text + ") is null then 1 else 0 end"), 1);
      continue;
    }
    EXPECT_EQ(connection.one<int>("select case when ? = " + text + " then 1 else 0 end", value), 1)
        << text << " for " << to_text(view(value)) << " on " << db->dialect().engine;
  }
}

std::vector<std::string> engines_at_hand() {
  std::vector<std::string> urls;
  for (const auto& engine : engines()) {
    if (engine.available && (engine.scheme == "sqlite" || engine.scheme == "duckdb"))
      urls.push_back(engine.scheme + "::memory:");
  }
  return urls;
}
INSTANTIATE_TEST_SUITE_P(Engines, SpyLiterals, ::testing::ValuesIn(engines_at_hand()),
                         [](const auto& info) { return info.param.substr(0, info.param.find(':')); });

TEST(SpyLiteral, HasTheFormOfItsEngine) {
  const Blob blob{std::byte{0}, std::byte{0xAB}};
  EXPECT_EQ(literal(blob, "sqlite"), "x'00ab'");
  EXPECT_EQ(literal(blob, "mariadb"), "x'00ab'");
  EXPECT_EQ(literal(blob, "postgres"), "'\\x00ab'::bytea");
  EXPECT_EQ(literal(blob, "duckdb"), "'\\x00\\xab'::blob");
  EXPECT_EQ(literal(std::string("a\\'b"), "postgres"), "'a\\''b'");
  EXPECT_EQ(literal(std::string("a\\'b"), "mariadb", {.backslash_escapes = true}), "'a\\\\''b'");
  EXPECT_EQ(literal(kLeapDay, "postgres"), "timestamp '2024-02-29 15:04:05.000007'");
  EXPECT_EQ(literal(kLeapDay, "sqlite"), "'2024-02-29 15:04:05.000007'");
  EXPECT_EQ(literal(std::numeric_limits<double>::quiet_NaN(), "postgres"), "'NaN'::float8");
  EXPECT_EQ(literal(-std::numeric_limits<double>::infinity(), "duckdb"), "'-Infinity'::double");
  EXPECT_EQ(literal(std::numeric_limits<double>::infinity(), "sqlite"), "9e999");
}

TEST(SpyLiteral, FollowsP6SpysDialectKeys) {
  const DatePattern date("dd-MMM-yy"), timestamp("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "Asia/Tokyo");
  const LiteralForms forms{&date, &timestamp, true};
  EXPECT_EQ(literal(Date(std::chrono::year(2024) / 2 / 29), "postgres", {}, forms), "'29-Feb-24'");
  EXPECT_EQ(literal(kLeapDay, "postgres", {}, forms), "'2024-03-01T00:04:05.000+0900'");
  EXPECT_EQ(literal(true, "postgres", {}, forms), "1");
}

}  // namespace
}  // namespace tidelock::sql::spy
