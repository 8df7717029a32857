// Values at the limits of a real server's types and packets, by themselves and in bulk.
#include <gmock/gmock.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/uuid.h"
#include "tidelock/sql/backends/mariadb/testing/mariadb_test.h"
#include "tidelock/sql/value.h"
#include "tidelock/world/random.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;
using testing::error_of;
using testing::Global;
using ::testing::HasSubstr;
using testing::MariadbSessions;

using MariadbDefaults = testing::MariadbPlain;

TEST_F(MariadbSessions, ValuesAtTheLimitsOfColumns) {
  const auto db = open();
  db->script(
      "create table v (u bigint unsigned, b bit(1), bits bit(64), y year, m mediumint unsigned, f float,"
      " e enum('a', 'b'), i inet6, t time(6), d date, c char(3))");
  db->execute(
      "insert into v values (18446744073709551615, b'1', x'ffffffffffffffff', 1999, 16777215, 0.5, 'b', '::1',"
      " '23:59:59.999999', '9999-12-31', 'x')");
  auto connection = db->connect();
  auto rows = connection.query("select * from v");
  ASSERT_TRUE(rows.next());
  const auto row = rows.row();
  EXPECT_EQ(row.get<Decimal>("u"), Decimal("18446744073709551615"));
  EXPECT_EQ(row.get<bool>("b"), true);
  EXPECT_EQ(row.get<Decimal>("bits"), Decimal("18446744073709551615"));
  EXPECT_EQ(row.get<int>("y"), 1999);
  EXPECT_EQ(row.get<int>("m"), 16777215);
  EXPECT_EQ(row.get<double>("f"), 0.5);
  EXPECT_EQ(row.get<std::string>("e"), "b");
  EXPECT_EQ(row.get<std::string>("i"), "::1");
  EXPECT_EQ(row.get<TimeOfDay>("t").since_midnight, 24h - 1us);
  EXPECT_EQ(row.get<std::string>("c"), "x");
  rows.finish();
  for (const auto* const sql : {"select cast('838:59:59' as time)", "select cast('-00:00:01' as time)"}) {
    EXPECT_THROW_CODE(connection.one<Value>(sql), Code::unsupported);
  }
  EXPECT_EQ(connection.one<int>("select 1"), 1);
}

// The server's type keeps the time of those of version 1 in an order of its own, and must know an old one from a new
// one.
TEST_F(MariadbSessions, ItsTypeOfUuidsRefusesAFewAndChangesNone) {
  const auto db = open();
  db->script("create table u (own uuid, plain char(36) character set ascii)");
  auto connection = db->connect();
  auto own = connection.prepare("insert into u (own) values (?)");
  auto plain = connection.prepare("insert into u (plain) values (?)");
  world::Random random(runtime_.random());
  for (int i = 0; i < 400; ++i) {
    base::Uuid uuid;
    for (auto& byte : uuid.bytes) byte = static_cast<std::uint8_t>(random.next());
    if (i < 256) {  // Each version with each variant.
      uuid.bytes[6] = static_cast<std::uint8_t>((i & 0xf0) | 1);
      uuid.bytes[8] = static_cast<std::uint8_t>((i & 0xf) << 4 | 2);
    }
    if (i == 256) uuid = {};
    if (i == 257) uuid.bytes.fill(0xff);
    connection.execute("delete from u where true or own is null");
    plain.execute(uuid);
    EXPECT_EQ(connection.one<base::Uuid>("select plain from u"), uuid);
    try {
      own.execute(uuid);
      EXPECT_EQ(connection.one<base::Uuid>("select own from u where own is not null"), uuid);
    } catch (const Error& error) {  // Which ones differs from one release of MariaDB 10.11 to the next.
      EXPECT_EQ(error.code(), Code::statement_invalid) << error.what();
      EXPECT_GE(uuid.bytes[6], 0x80) << uuid.to_string() << " is one of a version that exists";
    }
  }
}

TEST_F(MariadbSessions, ValuesThatAreTooLargeNameTheSetting) {
  const auto db = open();
  auto connection = db->connect();
  const auto most = connection.one<std::int64_t>("select @@max_allowed_packet");
  const auto error =
      error_of([&] { connection.one<std::int64_t>("select length(?)", Blob(static_cast<std::size_t>(most))); });
  EXPECT_EQ(error.code(), Code::too_large);
  EXPECT_THAT(error.message(), HasSubstr("max_allowed_packet"));
  EXPECT_EQ(connection.one<int>("select 1"), 1);  // The connection is as before.
}

TEST_F(MariadbSessions, BulkTakesNullsAndKindsThatChange) {
  const auto db = open();
  db->script("create table v (n bigint, r double, s longtext, b longblob, d date, ts datetime(6), x decimal(20, 5))");
  auto connection = db->connect();
  auto bulk = connection.bulk("v", {"n", "r", "s", "b", "d", "ts", "x"});
  constexpr int kRows = 10'000;
  const auto day = Date(std::chrono::days(20'000));
  for (int i = 0; i < kRows; ++i) {
    const bool null = i % 7 == 0;
    bulk.append(null ? std::optional<int>() : i, i * 0.5,
                null ? std::optional<std::string>() : "it's \\ " + std::to_string(i),
                Blob(static_cast<std::size_t>(i % 5)), day, Timestamp(day) + std::chrono::microseconds(i),
                Decimal(std::to_string(i) + ".25"));
  }
  bulk.append("77", 1, "x", nullptr, nullptr, nullptr, 5);  // Another kind in each column: the server converts them.
  bulk.append(1, 1.0, std::string(3'000'000, 'y'), Blob(2'000'000), day, Timestamp(day), Decimal("1"));
  EXPECT_EQ(bulk.finish(), kRows + 2);
  EXPECT_EQ(connection.one<int>("select count(*) from v where n is null"), (kRows + 6) / 7);
  EXPECT_EQ(connection.one<std::string>("select s from v where n = 9999"), "it's \\ 9999");
  EXPECT_EQ(connection.one<Timestamp>("select ts from v where n = 9998"),
            Timestamp(day) + std::chrono::microseconds(9998));
  EXPECT_EQ(connection.one<Decimal>("select x from v where n = 5"), Decimal("5.25"));
  EXPECT_EQ(connection.one<int>("select count(*) from v where n = 77 and x = 5 and b is null"), 1);
  EXPECT_EQ(connection.one<int>("select length(s) from v where length(b) = 2000000"), 3'000'000);
}

TEST_F(MariadbSessions, BulkIsStrict) {
  const auto db = open();
  db->script("create table v (n tinyint, s varchar(3))");
  auto connection = db->connect();
  const auto load = [&](int n, const std::string& s) {
    auto bulk = connection.bulk("v", {"n", "s"});
    bulk.append(1, "ok");
    bulk.append(n, s);
    bulk.finish();
  };
  EXPECT_THROW_CODE(load(1000, "ok"), Code::too_large);
  EXPECT_THROW_CODE(load(1, "long"), Code::too_large);
  EXPECT_EQ(connection.one<int>("select count(*) from v"), 0);
  load(2, "ok");
  EXPECT_EQ(connection.one<int>("select count(*) from v"), 2);
}

// A batch is one packet.
TEST_F(MariadbDefaults, BulkSendsNoMoreAtATimeThanTheServerTakes) {
  const Global packet(*admin_, "max_allowed_packet", "1048576");
  const auto db = open("max_connections=1");
  std::string columns, names;
  std::vector<std::string> wide;
  for (int i = 0; i < 40; ++i) {
    wide.push_back("c" + std::to_string(i));
    columns += (i == 0 ? "" : ", ") + wide.back() + (i % 2 == 0 ? " decimal(65, 30)" : " uuid");
  }
  db->script("create table long_texts (s varchar(300)); create table wide (" + columns + ")");
  auto connection = db->connect();
  constexpr int kRows = 5000;
  {
    auto bulk = connection.bulk("long_texts", {"s"});
    for (int i = 0; i < kRows; ++i) bulk.append(std::string(300, 'x'));
    EXPECT_EQ(bulk.finish(), kRows);
  }
  {
    auto bulk = connection.bulk("wide", wide);
    const Decimal number("12345678901234567890123456789012345.123456789012345678901234567890");
    std::vector<ValueView> row;
    for (int i = 0; i < 40; ++i) {
      row.push_back(i % 2 == 0 ? ValueView(DecimalView{number.text()}) : ValueView(base::Uuid{}));
    }
    for (int i = 0; i < kRows; ++i) bulk.append_values(row);
    EXPECT_EQ(bulk.finish(), kRows);
  }
  EXPECT_EQ(connection.one<int>("select count(*) from wide"), kRows);
  // As many parameters as the protocol has.
  std::vector<ValueView> values(60'000, ValueView(base::Uuid{}));
  std::string sql = "select ?";
  for (std::size_t i = 1; i < values.size(); ++i) sql += i == 1 ? " in (?" : ", ?";
  EXPECT_THROW_CODE(connection.query_values(sql + ")", values), Code::too_large);
  EXPECT_EQ(connection.one<int>("select 1"), 1);
}

}  // namespace
}  // namespace tidelock::sql::mariadb
