#include "tidelock/sql/reads_table.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tidelock/sql/testing/lexes.h"

namespace tidelock::sql {
namespace {

bool reads(std::string_view condition, const Lexis& lexis = testing::kPostgres, const std::string& schema = {}) {
  return reads_table(condition, {.text = "t", .schema = schema, .name = "t"}, lexis);
}

TEST(ReadsTable, ATableIsReadBehindFromAndJoin) {
  for (const auto* const sql : {
           "id < (select avg(id) from t)",
           "id in (select o.id from other o join t on t.id = o.id)",
           "id in (select o.id from other as o, t where true)",
           "id in (select o.id from other o join u on (o.a = u.a), t)",
           "id in (select o.id from (select 1 as id) as o, public.t)",
           "id in (select x.id from (t join u on t.id = u.id) as x)",
           "exists (select 1 from only t x where x.a = t.a)",
           "exists (select 1 from \"T\")",
           "id in (with w as (select id from t) select id from w)",
           "id in (table t)",
           "id in (from t)",
           "id in (select id from u union select id from t)",
           "extract(year from a) = 1 and id in (select id from t)",
       }) {
    EXPECT_TRUE(reads(sql)) << sql;
    EXPECT_FALSE(reads_table(sql, {.text = "s", .schema = {}, .name = "s"}, testing::kPostgres)) << sql;
  }
  EXPECT_TRUE(reads("id in (select id from shop.`t`)", testing::kMariadb));
  EXPECT_TRUE(reads("id in (select o.id from o straight_join t)", testing::kMariadb));
  EXPECT_TRUE(reads("id in (select o.id from o for system_time all, t)", testing::kMariadb));
}

TEST(ReadsTable, OfAnotherSchemaItIsAnother) {
  EXPECT_FALSE(reads("id in (select id from live.t)", testing::kPostgres, "archive"));
  EXPECT_TRUE(reads("id in (select id from Archive.t)", testing::kPostgres, "archive"));
  EXPECT_TRUE(reads("id in (select id from t)", testing::kPostgres, "archive"));
}

TEST(ReadsTable, ColumnsTextAndOtherTablesAreNotTheTable) {
  for (const auto* const sql : {
           "t.id < 7 and t = 1",
           "note = 'from t' -- from t",
           "id in (select id from t2 where t.a = t2.a)",
           "id in (select id from t.other)",
           "id in (select max(id), t from other group by a, t)",
           "id in (select id from other order by a, t)",
           "coalesce(a, t) = 1",
           "extract(year from t) < 2020",
           "trim(both ' ' from t) = ''",
           "a is distinct from t",
           "id in (select id from other where extract(year from b) = 1 and a is not distinct from t)",
       }) {
    EXPECT_FALSE(reads(sql)) << sql;
  }
}

}  // namespace
}  // namespace tidelock::sql
