#include "tidelock/sql/reads_table.h"

#include <gtest/gtest.h>

#include "tidelock/sql/testing/lexes.h"

namespace tidelock::sql {
namespace {

TEST(ReadsTable, ATableIsReadBehindFromAndJoin) {
  for (const auto* const sql : {
           "id < (select avg(id) from t)",
           "id in (select o.id from other o join t on t.id = o.id)",
           "id in (select o.id from other as o, t where true)",
           "id in (select o.id from (select 1 as id) as o, public.t)",
           "id in (select x.id from (t join u on t.id = u.id) as x)",
           "exists (select 1 from only t x where x.a = t.a)",
           "exists (select 1 from \"T\")",
           "id in (with w as (select id from t) select id from w)",
           "id in (table t)",
           "id in (select id from u union select id from t)",
       }) {
    EXPECT_TRUE(reads_table(sql, "t", testing::kPostgres)) << sql;
  }
  EXPECT_TRUE(reads_table("id in (select id from shop.`t`)", "t", testing::kMariadb));
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
       }) {
    EXPECT_FALSE(reads_table(sql, "t", testing::kPostgres)) << sql;
  }
}

}  // namespace
}  // namespace tidelock::sql
