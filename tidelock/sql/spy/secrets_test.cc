#include "tidelock/sql/spy/secrets.h"

#include <gtest/gtest.h>

#include <string>

#include "tidelock/sql/spy/statement_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

// The statement with X for every secret value, and ? or the literal for the others.
std::string masked_text(std::string_view sql, const std::vector<std::string>& names = {}) {
  const SecretNames secret(names);
  const auto tokens = significant_tokens(sql, {});
  const auto marks = secret_values(tokens, secret);
  std::string out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].is_value()) continue;
    out += marks[i] ? "X" : std::string(tokens[i].text);
  }
  return out;
}

TEST(SpySecrets, OfAnInsertStandWhereTheirColumnStands) {
  EXPECT_EQ(masked_text("insert into users (id, password, name) values (?, ?, ?)"), "?X?");
  EXPECT_EQ(masked_text("insert into users (id, password, name) values (?, ?, ?), (?, crypt(?, 'bf'), ?)"), "?X??XX?");
  EXPECT_EQ(masked_text("INSERT INTO s.users (id, \"api_key\") SELECT ?, ? FROM t"), "?X");
  EXPECT_EQ(masked_text("insert into users values (?, ?)"), "??");
  EXPECT_EQ(masked_text("insert into tokens (id) values (?)"), "?");
  EXPECT_EQ(masked_text("insert into users (id, name) values (?, 'password')"), "?'password'");
}

TEST(SpySecrets, OfAnInsertAreFoundInEveryShapeThatItHas) {
  EXPECT_EQ(masked_text("insert u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(masked_text("insert ignore u (id, password) value (?, ?)"), "?X");
  EXPECT_EQ(masked_text("replace u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(masked_text("replace low_priority into u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(masked_text("insert into u partition (p, q) (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(masked_text("insert into partition (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(masked_text("insert into u (id, password) overriding system value values (?, ?), (?, ?)"), "?X?X");
  EXPECT_EQ(masked_text("insert into u as a (id, password) overriding user value select ?, ?"), "?X");
  EXPECT_EQ(masked_text("insert or replace into u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(masked_text("insert into u (id, password) values row(?, ?), row(?, ?)"), "?X?X");
  EXPECT_EQ(masked_text("merge into u using t on u.id = ? when matched then update set n = ? when not matched then "
                        "insert (id, password) values (?, ?)"),
            "???X");
  EXPECT_EQ(masked_text("with old as (insert into u (id, password) values (?, ?) returning id) select ?, ?"), "?X??");
}

TEST(SpySecrets, OfAnInsertAreFoundInEveryArmOfItsQuery) {
  EXPECT_EQ(masked_text("insert into u (id, password) select ?, ? union all select ?, ? from t"), "?X?X");
  EXPECT_EQ(masked_text("insert into u (id, password) select a, ? from t where b = ? except select ?, ? limit ?"),
            "X??X?");
  EXPECT_EQ(masked_text("insert into u (id, password) (select ?, ?) union (select ?, ?)"), "?X?X");
  EXPECT_EQ(masked_text("insert into u (id, password) values (?, ?) union all values (?, ?)"), "?X?X");
  EXPECT_EQ(masked_text("insert into u (id, password) with x as (select 1, 2) select ?, ?"), "12?X");
  EXPECT_EQ(masked_text("insert into u (id, password) with recursive x(a, b) as not materialized (select 1, 2) "
                        "select ?, ? from x"),
            "12?X");
  EXPECT_EQ(masked_text("insert into u (id, password) select distinct on (?) ?, ? from t where c = ?"), "??X?");
  EXPECT_EQ(masked_text("insert into u (is_new, password) select a is distinct from ?, ? from t"), "?X");
  EXPECT_EQ(masked_text("insert into u (a, b, password) select ?, t.order, ? from (select 1, 2, 3) as t"), "?X123");
  EXPECT_EQ(masked_text("insert into u (id, password) select ?, ? on conflict (id) do update set name = ?"), "?X?");
  EXPECT_EQ(masked_text("insert into u (id, password) values (?, ?) on duplicate key update name = ?"), "?X?");
}

TEST(SpySecrets, AreNotLookedForWhereNothingIsInserted) {
  EXPECT_EQ(masked_text("select replace(name, ?, ?), ? from u"), "???");
  EXPECT_EQ(masked_text("create or replace function f(password text) as 'x'; select ?, ?"), "'x'??");
}

TEST(SpySecrets, AreWhatASecretColumnIsAssignedOrComparedWith) {
  EXPECT_EQ(masked_text("update users set name = ?, password = ?, city = ? where id = ?"), "?X??");
  EXPECT_EQ(masked_text("update users set password = crypt(?, gen_salt('bf')), city = ?"), "XX?");
  EXPECT_EQ(masked_text("select 1 from users u where u.password = ? and u.id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from users where ? = password and id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from users where ? = lower(u.password) and id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from users where lower(password) = ? or id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from users where token in (?, ?) and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from users where token between ? and ? and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from users where password::text like ? limit 5"), "1X5");
  EXPECT_EQ(masked_text("select 1 from users where password = 'open sesame'"), "1X");
}

TEST(SpySecrets, OfARowStandWhereTheirColumnStands) {
  EXPECT_EQ(masked_text("update u set (password, name) = ('x', 'y') where id = 5"), "X'y'5");
  EXPECT_EQ(masked_text("update u set (id, password) = row(?, ?), name = ?"), "?X?");
  EXPECT_EQ(masked_text("update u set (password, id) = (select ?, ? from t where a = ?), name = ?"), "X???");
  EXPECT_EQ(masked_text("select 1 from u where (password, name) = (?, ?) and id = ?"), "1X??");
  EXPECT_EQ(masked_text("select 1 from u where (id, password) in ((?, ?), (?, ?)) or id = ?"), "1?X?X?");
  EXPECT_EQ(masked_text("select 1 from u where (id, lower(password)) not in (values (?, ?), row(?, ?))"), "1?X?X");
  EXPECT_EQ(masked_text("insert into u (id) values (?) on conflict (id) do update set (password, name) = (?, ?) "
                        "where u.id > ?"),
            "?X??");
  // Not so simple: all of it.
  EXPECT_EQ(masked_text("select 1 from u where ('x', 'y') = (password, name) and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where (password, id) = ('x', 'y') || 'z' and id = ?"), "1XXX?");
  EXPECT_EQ(masked_text("select 1 from u where row(password, id) is not distinct from row('x', 5) and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where (password) = 'x' and id = ?"), "1X?");
}

TEST(SpySecrets, OfAWithOrOfColumnsOfAnAliasStandWhereTheirColumnStands) {
  EXPECT_EQ(masked_text("with s(id, password) as (values (1, 'x')) select ?"), "1X?");
  EXPECT_EQ(masked_text("with recursive s(id, password) as not materialized (select ?, ? from t where a = ?) select ?"),
            "?X??");
  EXPECT_EQ(masked_text("update u set name = v.a from (values (?, ?), (?, ?)) as v(password, a) where u.id = ?"),
            "X?X??");
  EXPECT_EQ(masked_text("select ? from unnest(?, ?) v(id, password)"), "?XX");
  EXPECT_EQ(masked_text("create view v (id, password) as select 1, 'x'"), "1X");
  EXPECT_EQ(masked_text("merge into u using (select ? as id, ? as password) s on s.id = u.id when matched then delete"),
            "?X");
  EXPECT_EQ(masked_text("insert into u by name select lower('x') password, ? id"), "X?");
}

TEST(SpySecrets, AreLookedForInTheWholeOfAComparison) {
  EXPECT_EQ(
      masked_text("update u set password = case id when 1 then 'x' when 2 then ? else 'y' end, n = ? where id = ?"),
      "XXXXX??");
  EXPECT_EQ(masked_text("update u set n = case when password = ? then ? else ? end where id = ?"), "X???");
  EXPECT_EQ(masked_text("select case password when 'x' then ? end, ? from u"), "XX?");
  EXPECT_EQ(masked_text("select 1 from u where password is not distinct from 'x' and id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from u where password collate nocase = 'x' and id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from u where password not between ? and ? and id between ? and ?"), "1XX??");
  EXPECT_EQ(masked_text("select 1 from u where 'a' || 'b' = password or id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where 'x' in (password, name) and id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from u where ? = any(array[password, 'x']) and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where ? = (select password from v where id = ?) and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where (password = ? or id = ?) and id = ?"), "1X??");
  EXPECT_EQ(masked_text("select 1 from u where id in (select id from v where password = ? and a = ?) and id = ?"),
            "1X??");
  EXPECT_EQ(masked_text("select 1 from u where exists (select password from v where id = ?) and id = ?"), "1??");
}

TEST(SpySecrets, AreWhatIsMadeIntoOneValueWithASecretColumn) {
  EXPECT_EQ(masked_text("select 1 from u where coalesce(password, '') = 'x' and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where ifnull(lower(password), '') = 'x' and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where substr(password, 1, 3) = 'x' and id = ?"), "1XXX?");
  EXPECT_EQ(masked_text("select nullif(password, 'x'), ? from u"), "X?");
  EXPECT_EQ(masked_text("select 1 from u where instr(password, 'x') and id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from u where trim('x') = password and id = ?"), "1X?");
  EXPECT_EQ(masked_text("select 1 from u where trim(both 'x' from password) = 'y' and id = ?"), "1XX?");
  EXPECT_EQ(masked_text("select 1 from u where password.lower() = 'y' and id = ?"), "1X?");
}

TEST(SpySecrets, AreFoundBehindEveryOperator) {
  for (const auto* comparison :
       {"password !~* 'x'", "password ~~ 'x'", "password !~~* 'x'", "password =-5", "password<=>'x'", "password @@ 'x'",
        "password ^@ 'x'", "password % 'x'", "password ?\?| 'x'", "password operator(pg_catalog.=) 'x'",
        "password sounds like 'x'", "password ->> 'x'", "password::text[1] = 'x'"}) {
    const auto text = masked_text("select ? from u where " + std::string(comparison) + " and id = ?");
    EXPECT_TRUE(text == "?X?" || text == "?XX?") << comparison << ": " << text;
  }
  EXPECT_EQ(masked_text("set my.password to 'x'"), "X");
  EXPECT_EQ(masked_text("set @password = 'x', @n = 5"), "X5");
}

TEST(SpySecrets, AreNotWhatStandsBesideThem) {
  EXPECT_EQ(masked_text("create table u (id decimal(10, 2) default 5, password varchar(255) not null) fillfactor = 7"),
            "10252557");
  EXPECT_EQ(masked_text("create table if not exists s.tokens (id decimal(10, 2))"), "102");
  EXPECT_EQ(masked_text("select id from tokens where id = ? limit 5"), "?5");
  EXPECT_EQ(masked_text("select ? from tokens t join users on t.id = ? where tokens.id = ?"), "???");
  EXPECT_EQ(masked_text("select * from (select ?, ?) as tokens where ? = id"), "???");
  EXPECT_EQ(masked_text("select password from u where id = ? order by password limit 5"), "?5");
  EXPECT_EQ(masked_text("select max(token), count(*) filter (where token is null) from u where id = ?"), "?");
  EXPECT_EQ(masked_text("insert into u (id, n) values (?, ?) on conflict (token) do update set n = ?"), "???");
  EXPECT_EQ(masked_text("copy u (id, password) to 'x.csv' (delimiter ';')"), "'x.csv'';'");
  EXPECT_EQ(masked_text("create trigger t after update on u begin update v set password = 'x' where id = 1; end"),
            "X1");
}

// A log must not stand still for a statement, however long it is.
TEST(SpySecrets, AreFoundInTimeThatGrowsWithTheText) {
  constexpr int kTimes = 100'000;
  const auto many = [](std::string_view text) {
    std::string all;
    for (int i = 0; i < kTimes; ++i) all += text;
    return all;
  };
  EXPECT_EQ(masked_text("select " + many("password + ") + "'x'"), "X");
  EXPECT_EQ(masked_text("select f(" + many("password, ") + "'x')"), "X");
  EXPECT_EQ(masked_text("select " + many("f(password, ") + "'x'"), "X");
  EXPECT_EQ(masked_text("select " + many("case when ") + "password = 'x'"), "X");
  EXPECT_EQ(masked_text("update u set (" + many("password, ") + "n) = (" + many("1, ") + "'x')"), many("X") + "'x'");
}

TEST(SpySecrets, AreWhatIsHandedToASecretNameOrStandsBehindIt) {
  EXPECT_EQ(masked_text("alter user bob identified by password 'x'"), "X");
  EXPECT_EQ(masked_text("alter role bob with password 'x' valid until '2030-01-01'"), "X'2030-01-01'");
  EXPECT_EQ(masked_text("select set_password(?, ?), f(?)"), "XX?");
}

TEST(SpySecrets, AreTheWordsOfUsersOfADatabase) {
  EXPECT_EQ(masked_text("create user bob@'%' identified by 'x', eve identified by password 'y' require ssl"), "'%'XX");
  EXPECT_EQ(masked_text("grant all on *.* to bob identified by 'x' with max_user_connections 7"), "X7");
  EXPECT_EQ(masked_text("create user b identified via ed25519 using 'x' or mysql_native_password as 'y'"), "XX");
  EXPECT_EQ(masked_text("alter user b identified with sha256 by 'x' account lock"), "X");
  EXPECT_EQ(masked_text("set password for 'bob'@'%' = 'x'"), "'bob''%'X");
  EXPECT_EQ(masked_text("set password for bob = password('x')"), "X");
  EXPECT_EQ(masked_text("select identified from t where a = 'x'"), "'x'");
}

TEST(SpySecrets, AreTextsWithParametersThatAreSome) {
  EXPECT_EQ(masked_text("create subscription s connection 'host=h password=x' publication p"), "X");
  EXPECT_EQ(masked_text("attach 'postgres://app:x@h/shop' as p"), "X");
  EXPECT_EQ(masked_text("attach 'postgres://app@h:5432/shop' as p"), "'postgres://app@h:5432/shop'");
  EXPECT_EQ(masked_text("select dblink('user=u pwd = x', 'select 1'), 'a=b', 'my password'"),
            "X'select 1''a=b''my password'");
}

TEST(SpySecrets, OfTextThatAServerExecutesAreFoundToo) {
  const auto place = std::make_shared<const Place>(Place{"mariadb://x", "mariadb", sql::testing::kMariadb});
  const StatementText text(place, "/*!50000 update u set password = 'a' */ where id = 1", SecretNames(), true);
  EXPECT_EQ(text.sql(), "/*!50000 update u set password = '***' */ where id = 1");
  const StatementText into(place, "insert /*! ignore */ /*!50000 into */ u (id, password) values /*! (1, 'a') */",
                           SecretNames(), true);
  EXPECT_EQ(into.sql(), "insert /*! ignore */ /*!50000 into */ u (id, password) values /*! (1, '***') */");
}

TEST(SpySecrets, HaveNamesOfTheirOwnToo) {
  EXPECT_EQ(masked_text("insert into card (id, iban, pin_code) values (?, ?, ?)"), "???");
  EXPECT_EQ(masked_text("insert into card (id, IBAN, pin_code) values (?, ?, ?)", {"iban", "pin_.*"}), "?XX");
  EXPECT_EQ(masked_text("insert into card (id, ibans) values (?, ?)", {"iban"}), "??");  // The whole name.
  EXPECT_EQ(masked_text("insert into lease (fencing_token) values (?)"), "?");
  EXPECT_EQ(masked_text("insert into tidelock_fence (resource, token) values (?, ?)"), "??");
  EXPECT_EQ(masked_text("insert into tidelock_x (token, password) values (?, ?)"), "?X");
  EXPECT_THROW_CODE(SecretNames({"("}), Code::invalid_argument);
}

TEST(SpySecrets, AreNamedByWordsOfAnEngine) {
  const SecretNames names({"iban"});
  for (const auto* const words : {
           "Duplicate entry 'hunter2' for key 'password'",
           "Duplicate entry 'hunter2' for key 'u.Password'",
           R"(Duplicate key "password: hunter2" violates unique constraint)",
           "a unique constraint is violated (u_password_key)",
           "UNIQUE constraint failed: card.iban",
           "api_key",
           R"(unrecognized token: "'open, password")",
       }) {
    EXPECT_TRUE(words_mention_a_secret(words, names)) << words;
  }
  for (const auto* const words : {"", "Duplicate entry '1' for key 'PRIMARY'", "ibans", "no such column: pass word",
                                  R"(unrecognized token: "#")"}) {
    EXPECT_FALSE(words_mention_a_secret(words, names)) << words;
  }
}

TEST(SpySecrets, AreFoundInStringsOfEveryEngine) {
  const Lexis maria{.backtick_identifiers = true, .backslash_escapes = true, .double_quoted_strings = true};
  const auto place = std::make_shared<const Place>(Place{"mariadb://x", "mariadb", maria});
  const StatementText text(place, R"(update u set `password` = "it\"s" where name = "a" and id = ?)", SecretNames(),
                           true);
  EXPECT_EQ(text.sql(), R"(update u set `password` = '***' where name = "a" and id = ?)");
}

TEST(SpySecrets, InTheTextAreReplacedAndTheRestKeepsItsPlace) {
  const auto place = std::make_shared<const Place>(Place{"sqlite:x.db", "sqlite", {}});
  const StatementText text(place, "update u set password = 'a?b', n = ? where j ?? 'k' and token = 12 and id = ?",
                           SecretNames(), true);
  EXPECT_EQ(text.sql(), "update u set password = '***', n = ? where j ?? 'k' and token = '***' and id = ?");
  EXPECT_TRUE(text.touches_secrets());
  std::string out;
  text.append_effective(out, std::vector<Value>{std::string("it's"), std::int64_t{7}}, {});
  EXPECT_EQ(out, "update u set password = '***', n = 'it''s' where j ? 'k' and token = '***' and id = 7");
  out.clear();
  text.append_effective(out, {}, {});
  EXPECT_EQ(out, "update u set password = '***', n = ? where j ? 'k' and token = '***' and id = ?");
}

}  // namespace
}  // namespace tidelock::sql::spy
