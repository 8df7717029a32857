#include "tidelock/sql/spy/secrets.h"

#include <gtest/gtest.h>

#include <string>

#include "tidelock/sql/spy/statement_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

// The statement with X for every secret value, and ? or the literal for the others.
std::string shown(std::string_view sql, const std::vector<std::string>& names = {}) {
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
  EXPECT_EQ(shown("insert into users (id, password, name) values (?, ?, ?)"), "?X?");
  EXPECT_EQ(shown("insert into users (id, password, name) values (?, ?, ?), (?, crypt(?, 'bf'), ?)"), "?X??XX?");
  EXPECT_EQ(shown("INSERT INTO s.users (id, \"api_key\") SELECT ?, ? FROM t"), "?X");
  EXPECT_EQ(shown("insert into users values (?, ?)"), "??");
  EXPECT_EQ(shown("insert into tokens (id) values (?)"), "?");
  EXPECT_EQ(shown("insert into users (id, name) values (?, 'password')"), "?'password'");
}

TEST(SpySecrets, OfAnInsertAreFoundInEveryShapeThatItHas) {
  EXPECT_EQ(shown("insert u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(shown("insert ignore u (id, password) value (?, ?)"), "?X");
  EXPECT_EQ(shown("replace u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(shown("replace low_priority into u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(shown("insert into u partition (p, q) (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(shown("insert into partition (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(shown("insert into u (id, password) overriding system value values (?, ?), (?, ?)"), "?X?X");
  EXPECT_EQ(shown("insert into u as a (id, password) overriding user value select ?, ?"), "?X");
  EXPECT_EQ(shown("insert or replace into u (id, password) values (?, ?)"), "?X");
  EXPECT_EQ(shown("insert into u (id, password) values row(?, ?), row(?, ?)"), "?X?X");
  EXPECT_EQ(shown("merge into u using t on u.id = ? when matched then update set n = ? when not matched then "
                  "insert (id, password) values (?, ?)"),
            "???X");
  EXPECT_EQ(shown("with old as (insert into u (id, password) values (?, ?) returning id) select ?, ?"), "?X??");
}

TEST(SpySecrets, OfAnInsertAreFoundInEveryArmOfItsQuery) {
  EXPECT_EQ(shown("insert into u (id, password) select ?, ? union all select ?, ? from t"), "?X?X");
  EXPECT_EQ(shown("insert into u (id, password) select a, ? from t where b = ? except select ?, ? limit ?"), "X??X?");
  EXPECT_EQ(shown("insert into u (id, password) (select ?, ?) union (select ?, ?)"), "?X?X");
  EXPECT_EQ(shown("insert into u (id, password) values (?, ?) union all values (?, ?)"), "?X?X");
  EXPECT_EQ(shown("insert into u (id, password) with x as (select 1, 2) select ?, ?"), "12?X");
  EXPECT_EQ(shown("insert into u (id, password) with recursive x(a, b) as not materialized (select 1, 2) "
                  "select ?, ? from x"),
            "12?X");
  EXPECT_EQ(shown("insert into u (id, password) select distinct on (?) ?, ? from t where c = ?"), "??X?");
  EXPECT_EQ(shown("insert into u (is_new, password) select a is distinct from ?, ? from t"), "?X");
  EXPECT_EQ(shown("insert into u (a, b, password) select ?, t.order, ? from (select 1, 2, 3) as t"), "?X123");
  EXPECT_EQ(shown("insert into u (id, password) select ?, ? on conflict (id) do update set name = ?"), "?X?");
  EXPECT_EQ(shown("insert into u (id, password) values (?, ?) on duplicate key update name = ?"), "?X?");
}

TEST(SpySecrets, AreNotLookedForWhereNothingIsInserted) {
  EXPECT_EQ(shown("select replace(name, ?, ?), ? from u"), "???");
  EXPECT_EQ(shown("create or replace function f(password text) as 'x'; select ?, ?"), "'x'??");
}

TEST(SpySecrets, AreWhatASecretColumnIsAssignedOrComparedWith) {
  EXPECT_EQ(shown("update users set name = ?, password = ?, city = ? where id = ?"), "?X??");
  EXPECT_EQ(shown("update users set password = crypt(?, gen_salt('bf')), city = ?"), "XX?");
  EXPECT_EQ(shown("select 1 from users u where u.password = ? and u.id = ?"), "1X?");
  EXPECT_EQ(shown("select 1 from users where ? = password and id = ?"), "1X?");
  EXPECT_EQ(shown("select 1 from users where ? = lower(u.password) and id = ?"), "1X?");
  EXPECT_EQ(shown("select 1 from users where lower(password) = ? or id = ?"), "1X?");
  EXPECT_EQ(shown("select 1 from users where token in (?, ?) and id = ?"), "1XX?");
  EXPECT_EQ(shown("select 1 from users where token between ? and ? and id = ?"), "1XX?");
  EXPECT_EQ(shown("select 1 from users where password::text like ? limit 5"), "1X5");
  EXPECT_EQ(shown("select 1 from users where password = 'open sesame'"), "1X");
}

TEST(SpySecrets, AreWhatIsHandedToASecretNameOrStandsBehindIt) {
  EXPECT_EQ(shown("alter user bob identified by password 'x'"), "X");
  EXPECT_EQ(shown("alter role bob with password 'x' valid until '2030-01-01'"), "X'2030-01-01'");
  EXPECT_EQ(shown("select set_password(?, ?), f(?)"), "XX?");
}

TEST(SpySecrets, AreTheWordsOfUsersOfADatabase) {
  EXPECT_EQ(shown("create user bob@'%' identified by 'x', eve identified by password 'y' require ssl"), "'%'XX");
  EXPECT_EQ(shown("grant all on *.* to bob identified by 'x' with max_user_connections 7"), "X7");
  EXPECT_EQ(shown("create user b identified via ed25519 using 'x' or mysql_native_password as 'y'"), "XX");
  EXPECT_EQ(shown("alter user b identified with sha256 by 'x' account lock"), "X");
  EXPECT_EQ(shown("set password for 'bob'@'%' = 'x'"), "'bob''%'X");
  EXPECT_EQ(shown("set password for bob = password('x')"), "X");
  EXPECT_EQ(shown("select identified from t where a = 'x'"), "'x'");
}

TEST(SpySecrets, AreTextsWithParametersThatAreSome) {
  EXPECT_EQ(shown("create subscription s connection 'host=h password=x' publication p"), "X");
  EXPECT_EQ(shown("attach 'postgres://app:x@h/shop' as p"), "X");
  EXPECT_EQ(shown("attach 'postgres://app@h:5432/shop' as p"), "'postgres://app@h:5432/shop'");
  EXPECT_EQ(shown("select dblink('user=u pwd = x', 'select 1'), 'a=b', 'my password'"),
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
  EXPECT_EQ(shown("insert into card (id, iban, pin_code) values (?, ?, ?)"), "???");
  EXPECT_EQ(shown("insert into card (id, IBAN, pin_code) values (?, ?, ?)", {"iban", "pin_.*"}), "?XX");
  EXPECT_EQ(shown("insert into card (id, ibans) values (?, ?)", {"iban"}), "??");  // The whole name.
  EXPECT_EQ(shown("insert into lease (fencing_token) values (?)"), "?");
  EXPECT_EQ(shown("insert into tidelock_fence (resource, token) values (?, ?)"), "??");
  EXPECT_EQ(shown("insert into tidelock_x (token, password) values (?, ?)"), "?X");
  EXPECT_THROW_CODE(SecretNames({"("}), Code::invalid_argument);
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
  EXPECT_TRUE(text.has_secrets());
  std::string out;
  text.append_effective(out, std::vector<Value>{std::string("it's"), std::int64_t{7}}, {});
  EXPECT_EQ(out, "update u set password = '***', n = 'it''s' where j ? 'k' and token = '***' and id = 7");
  out.clear();
  text.append_effective(out, {}, {});
  EXPECT_EQ(out, "update u set password = '***', n = ? where j ? 'k' and token = '***' and id = ?");
}

}  // namespace
}  // namespace tidelock::sql::spy
