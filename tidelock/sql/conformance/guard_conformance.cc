// A guarded database: what it refuses and how that is allowed.
#include <memory>
#include <string>
#include <vector>

#include "tidelock/base/ascii.h"
#include "tidelock/base/testing/error_text.h"
#include "tidelock/sql/conformance/engines.h"
#include "tidelock/sql/guard.h"
#include "tidelock/sql/observer.h"

namespace tidelock::sql::conformance {
namespace {

TIDELOCK_SQL_CONFORMANCE(SqlGuard);

constexpr const char* kThreeRows = "create table t (id integer); insert into t values (1), (2), (3)";

std::int64_t count_of_rows(Database& db) { return db.one<std::int64_t>("select count(*) from t"); }

TEST_P(SqlGuard, ADatabaseThatIsNotGuardedRefusesNothing) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script(kThreeRows);
    EXPECT_EQ(db->execute("delete from t"), 3);
    db->execute("drop table t");
  });
}

TEST_P(SqlGuard, RefusesWhatItsRulesAreAboutAndRunsTheRest) {
  run([](const Place& place) {
    const auto db = place.open("guarded=true");
    db->script(kThreeRows);
    EXPECT_EQ(base::testing::error_text([&] { db->execute("delete from t"); }),
              "the guard of " + db->name() +
                  " refuses DELETE without WHERE, by its rule delete_without_where, at byte 1 of \"delete from t\"; if "
                  "that is meant, allow it for this call: sql::allow(connection, sql::Rule::delete_without_where), or "
                  "--allow delete_without_where of the program");
    EXPECT_THROW_CODE(db->execute("update t set id = ?", 7), Code::permission_denied);
    EXPECT_THROW_CODE(db->execute("drop table t"), Code::permission_denied);
    EXPECT_THROW_CODE(db->connect().query("delete from t where true returning id"), Code::permission_denied);
    EXPECT_EQ(count_of_rows(*db), 3);
    EXPECT_EQ(db->execute("delete from t where id = ?", 1), 1);
    EXPECT_EQ(db->execute("update t set id = id + 1 where id > 0"), 2);
  });
}

// Each empties the table, or takes it away, on some engine, and is refused or understood in another way by the others.
constexpr const char* kHidden[] = {
    "select 1 -- \r; delete from t",
    "-- \rdelete from t",
    "/*! delete from t */",
    "/*!50000 delete */ from t",
    "/*M!100100 delete from t */",
    "delete from t /*!99999 where id = 7 */",
    "select 1/*!99999 '*/; delete from t; select '1'/* */",
    "/* /* */ delete from t /* */ -- */",
    "select 5--1\n; delete from t",
    "select 5--'1'; delete from t",
    "select 'a' # '\n; delete from t -- '",
    "select '\\'; delete from t; -- '",
    "select '\\''; delete from t; -- '",
    "select \"\\\"\"; delete from t; -- \"",
    "select E'\\''; delete from t; --'",
    "select E'a'\n'\\''; delete from t; --'",
    "select $a$;$b$ '$a$; delete from t; --'",
    "select 1$$'$$; delete from t; --'",
    "select U&'\\0027'; delete from t; --'",
    "delete\xc2\xa0"
    "from\xc2\xa0t",
    "\xef\xbb\xbf"
    "delete from t",
    "delete/**/from/**/t",
    "with x as (delete from t returning id) select id from x",
    "with x as (select 1) delete from t",
    "with recursive x(a) as (select 1 union all select a from x where a > 1) search depth first by a set key delete "
    "from t",
    "explain analyze delete from t",
    "explain (analyze, costs off) delete from t",
    "analyze format=json delete from t",
    "prepare p as delete from t; execute p",
    "prepare p from 'delete from t'; execute p",
    "execute immediate 'delete from t'",
    "begin not atomic delete from t; end",
    "set statement max_statement_time = 1 for delete from t",
    "set statement optimizer_switch = replace('mrr=on', '1', '2') for delete from t",
    "do $$ begin delete from t; end $$",
    "do U&'begin delete from t; end'",
    "do language plpgsql E'begin delete from t; end'",
    "merge into t using (select 1 as one) as s on true when matched then delete",
    "delete from t where 1::boolean",
    "delete from t where cast(1 as boolean)",
    "delete from t where x'00' = x'00'",
    "delete from t where coalesce(1 = 1)",
    "delete from t where (select 1) = 1",
    "delete from t limit 10",
    "delete from t using (select 1 as one) as u",
    "copy (with x as (delete from t returning id) select id from x) to '/dev/null'",
    "truncate t",
    "truncate table t",
    "create or replace table t (id integer)",
    "alter table t drop column id",
    "drop table if exists t",
    "update t set id = null",
    "select :a('); delete from t; --')",
    "select $a('); delete from t; --')",
    "select @a(\"); delete from t; --\")",
    "select #a(`); delete from t; --`)",
    "delete from t where :x is null",
    "delete from t where $a(id) is null",
    "create event e on schedule at current_timestamp do delete from t",
    "create definer = current_user() event do on schedule at current_timestamp do delete from t",
    "delete from t where extract(year from now()) > 2000",
    "delete from t where timestamp with time zone '2000-01-01' < now()",
    "delete from t where array[1] = array[1]",
    "delete from t where ('a') similar to ('a')",
    "delete from t where current_schema is not null",
    "delete from t where {'a': 1}.a = 1",
    "delete from t where {a: 1}.a = 1",
    "delete from t where map {'a': 1}['a'] = 1",
    "delete from t where timestampdiff(day, '2000-01-01', now()) > 3",
    "delete from t where now() > '2000-01-01' + interval -1 day",
    "delete from t where now() > timestamp '2000-01-01' + make_interval(days => 3)",
    "delete from t where convert(1, signed) = 1",
    "delete from t where (select 1 from dual) = 1",
    "delete from t where _binary x'41' = 'A'",
    "delete from t where trim(both from ' a') = 'a'",
    "delete from t where 1 in (select 1 union all select 2)",
    "delete from t where normalize('a', nfc) = 'a'",
    "delete from t where 'a' is nfc normalized",
    "delete from t where 1 operator(pg_catalog.=) 1",
    "delete from t where 'a'.upper() = 'A'",
    "delete from t where user is not null",
    "update t as w set id = w.where",
    "delete from t returning id as where, id",
    "update t set id = null returning id as where, id",
    "with x as (select 1) update t set id = null returning id as where, id",
    "update t set id = @where + id",
    "update t set id = @1.where + id",
};

// Where a keyword may stand in a condition that is the same for all rows.
constexpr const char* kWithKeyword[] = {
    "{} is not null",
    "not {}",
    "{} = {}",
    "{} 1 = 1",
    "{}(1) is not null",
    "{}() is not null",
    "('a') {} ('a')",
    "('a') not {} ('a')",
    "'a' is {}",
    "'a' is not {}",
    "{} 'a' = 'a'",
    "1 = {} (select 1)",
    "1 {} null",
    "coalesce({}, 1) = 1",
    "extract({} from now()) > 0",
    "now() > now() - interval -1 {}",
    "trim({} from 'a') = 'a'",
    "(select 1 {}) = 1",
    "(select {} 1) = 1",
    "cast(1 as {}) is not null",
    "1 = 1 {}",
    "{} [1] = [1]",
    "convert('1', {}) is not null",
    "timestampdiff({}, '2000-01-01', now()) > 0",
    "normalize('a', {}) = 'a'",
    "interval '1' {} is not null",
};

// Whatever the text hides, by what it looks like or by what the engine makes of it.
TEST_P(SqlGuard, NothingIsHiddenFromIt) {
  run([&](const Place& place) {
    const auto guarded = place.open("guarded=true");
    guarded->script(kThreeRows);
    const auto intact = [&] { return guarded->one<std::int64_t>("select count(id) from t") == 3; };
    const auto attempt = [](auto&& call) {
      try {
        call();
      } catch (const Error&) {  // By the guard or by the engine.
      }
    };
    for (const auto* const text : kHidden) {
      auto connection = guarded->connect();
      attempt([&] { connection.script(text); });
      EXPECT_TRUE(intact()) << text;
      attempt([&] { connection.execute(text); });
      EXPECT_TRUE(intact()) << text;
    }
    if (declared().in_memory) return;
    const auto plain = place.open();  // The same texts are no empty threats.
    int emptied = 0;
    for (const auto* const text : kHidden) {
      attempt([&] { plain->connect().script(text); });
      bool whole = false;
      attempt([&] { whole = intact(); });
      if (whole) continue;
      ++emptied;
      plain->script("drop table if exists t");
      plain->script(kThreeRows);
    }
    EXPECT_GT(emptied, 7);
  });
}

TEST_P(SqlGuard, NoKeywordOfTheEngineIsTakenForAColumn) {
  if (declared().keywords.empty()) GTEST_SKIP() << "the engine does not tell its keywords";
  run([&](const Place& place) {
    const auto guarded = place.open("guarded=true");
    guarded->script(kThreeRows);
    std::vector<std::string> keywords;
    auto connection = guarded->connect();
    for (auto rows = connection.query(declared().keywords); rows.next();) {
      const auto word = rows.row().get<std::string>(0);
      const bool is_column = base::ascii::upper(word) == "ID";
      if (base::ascii::is_letter(word.front()) && !is_column) keywords.push_back(word);
    }
    EXPECT_GT(keywords.size(), 100U);
    std::string emptied;
    for (const auto& keyword : keywords) {
      for (const auto* const form : kWithKeyword) {
        std::string sql = std::string("delete from t where ") + form;
        for (auto at = sql.find("{}"); at != sql.npos; at = sql.find("{}", at)) sql.replace(at, 2, keyword);
        try {
          connection.script(sql);
        } catch (const Error&) {  // By the guard or by the engine.
          continue;
        }
        if (count_of_rows(*guarded) == 3) continue;
        emptied += sql + "\n";
        guarded->script("insert into t values (1), (2), (3)");
      }
    }
    EXPECT_EQ(emptied, "");
  });
}

TEST_P(SqlGuard, OfAScriptNothingIsRunWhenOnePartIsRefused) {
  run([](const Place& place) {
    const auto db = place.open("guarded=true");
    db->script(kThreeRows);
    EXPECT_THROW_CODE(db->script("insert into t values (4); drop table t"), Code::permission_denied);
    EXPECT_EQ(count_of_rows(*db), 3);
  });
}

TEST_P(SqlGuard, APermissionCountsWhileItLivesOnItsConnectionOnly) {
  run([](const Place& place) {
    const auto db = place.open("guarded=true");
    db->script(kThreeRows);
    auto connection = db->connect();
    {
      const auto permission = allow(connection, Rule::delete_without_where);
      auto other = db->connect();
      EXPECT_THROW_CODE(other.execute("delete from t"), Code::permission_denied);
      EXPECT_THROW_CODE(connection.execute("drop table t"), Code::permission_denied);
      {
        const auto more = allow(connection, {Rule::drop, Rule::truncate});
        connection.script("create table u (id integer); drop table u");
      }
      EXPECT_THROW_CODE(connection.execute("drop table t"), Code::permission_denied);
      EXPECT_EQ(connection.execute("delete from t"), 3);
    }
    // The statement is still prepared; its permission is over.
    EXPECT_THROW_CODE(connection.execute("delete from t"), Code::permission_denied);
  });
}

TEST_P(SqlGuard, APreparedStatementIsJudgedEachTimeItRuns) {
  run([](const Place& place) {
    const auto db = place.open("guarded=true");
    db->script(kThreeRows);
    auto connection = db->connect();
    auto statement = connection.prepare("update t set id = ?");
    EXPECT_THROW_CODE(statement.execute(1), Code::permission_denied);
    {
      const auto permission = allow(connection, Rule::update_without_where);
      EXPECT_EQ(statement.execute(1), 3);
    }
    EXPECT_THROW_CODE(statement.execute(1), Code::permission_denied);
  });
}

TEST_P(SqlGuard, ARefusalDoesNotEndTheTransaction) {
  run([](const Place& place) {
    const auto db = place.open("guarded=true");
    db->script(kThreeRows);
    auto connection = db->connect();
    auto transaction = connection.begin();
    transaction.execute("insert into t values (?)", 4);
    EXPECT_THROW_CODE(transaction.execute("delete from t"), Code::permission_denied);
    EXPECT_THROW_CODE(transaction.script("drop table t"), Code::permission_denied);
    // The engine is not asked: it would have refused these, which ends a transaction in some.
    EXPECT_THROW_CODE(transaction.execute("delete from nowhere"), Code::permission_denied);
    EXPECT_THROW_CODE(transaction.query("update nowhere set id = 1 returning id"), Code::permission_denied);
    {
      const auto permission = allow(transaction, Rule::delete_without_where);
      EXPECT_EQ(transaction.execute("delete from t"), 4);
    }
    transaction.execute("insert into t values (?)", 5);
    transaction.commit();
    EXPECT_EQ(db->one<int>("select id from t"), 5);
  });
}

TEST_P(SqlGuard, APermissionDoesNotSurviveItsConnection) {
  run([](const Place& place) {
    const auto db = place.open("guarded=true&max_connections=1");
    db->script(kThreeRows);
    auto connection = std::make_unique<Connection>(db->connect());
    const auto permission = allow(*connection, Rules::all());
    connection.reset();
    auto next = db->connect();  // The same session.
    EXPECT_THROW_CODE(next.execute("delete from t"), Code::permission_denied);
  });
}

TEST_P(SqlGuard, ARefusalIsSeenByObservers) {
  run([](const Place& place) {
    struct Refusals : Observer {
      void on_statement(const StatementEvent& event) noexcept override {
        if (event.error != nullptr && event.error->code() == Code::permission_denied) ++count;
      }
      int count = 0;
    };
    const auto db = place.open("guarded=true");
    db->script(kThreeRows);
    const auto refusals = std::make_shared<Refusals>();
    db->observe(refusals);
    EXPECT_THROW_CODE(db->execute("delete from t"), Code::permission_denied);
    EXPECT_THROW_CODE(db->script("drop table t"), Code::permission_denied);
    EXPECT_EQ(refusals->count, 2);
  });
}

}  // namespace
}  // namespace tidelock::sql::conformance
