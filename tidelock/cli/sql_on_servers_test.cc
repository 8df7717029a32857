// `tidelock sql` on a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tidelock/cli/testing/program.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/own_database.h"

namespace tidelock::cli {
namespace {

using ::testing::HasSubstr;

class SqlOnMariadb : public testing::ProgramTest {
 protected:
  void SetUp() override {
    TIDELOCK_NEEDS(sql::testing::why_not_here("mariadb"));
    own_.emplace(runtime_, files_, sql::testing::server_variable("mariadb"));
    const auto ended =
        run(tidelock({"sql", "--create", own_->url().to_string(), "create table t (a int); create table u (a int)"}));
    ASSERT_EQ(ended.status.code, 0) << ended.err;
  }

  testing::Ended sql(const std::string& text) { return run(tidelock({"sql", own_->url().to_string(), text})); }
  void made(const std::string& text) {
    const auto ended = sql(text);
    EXPECT_EQ(ended.status.code, 0) << text << ended.err;
  }

  std::optional<sql::testing::OwnDatabase> own_;
};

TEST_F(SqlOnMariadb, ABodyOfARoutineMayBeAnyCompoundStatement) {
  made("create trigger a before insert on t for each row if new.a > 1 then set new.a = 7; end if");
  made("create trigger b after insert on t for each row begin insert into u values (new.a); end");
  made("create procedure c(n int) case n when 1 then delete from t where a = 1; else set @x = 1; end case");
  made("create procedure d() for i in 1..3 do insert into u values (i); end for");
  made("create procedure e() while (select count(*) from u) < 9 do insert into u values (0); end while");
  made("create procedure f() insert into u values (if(1, 2, 3)); insert into t values (1), (2)");
  made("call d(); call e()");
  EXPECT_EQ(sql("select a from t order by a").out, "a\n1\n7\n(2 rows)\n");
  EXPECT_EQ(sql("select count(*) as n from u").out, "n\n9\n(1 row)\n");
}

TEST_F(SqlOnMariadb, WhatStandsBehindARoutineIsGuarded) {
  made("insert into t values (1)");
  for (const auto* const text : {"create procedure p() begin end; delete from t",
                                 "create trigger a before insert on t for each row begin end; delete from t",
                                 "create trigger a before insert on t for each row if 1 then set @x = 1; end if; "
                                 "delete from t",
                                 "create event e on schedule at now() do delete from t",
                                 "create event e on schedule at now() do if 1 then delete from t; end if"}) {
    EXPECT_NE(sql(text).status.code, 0) << text;
  }
  EXPECT_THAT(sql("select count(*) as n from t").out, HasSubstr("\n1\n"));
}

}  // namespace
}  // namespace tidelock::cli
