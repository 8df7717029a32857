#include "tidelock/sql/backends/mariadb/settings.h"

#include "tidelock/world/testing.h"

namespace tidelock::sql::mariadb {
namespace {

Settings read(const std::string& url_text) {
  const auto url = base::Url::parse(url_text);
  base::UrlParams params(url);
  DatabaseOptions options;
  options.read(params);
  return read_settings(url, params, options);
}

TEST(MariadbSettings, AUrlNamesHostUserAndDatabase) {
  const auto settings = read("mariadb://app:p%40ss%3Aw%2Frd@db.example:3307/shop?connect_timeout=2s");
  EXPECT_EQ(settings.host, "db.example");
  EXPECT_EQ(settings.port, 3307);
  EXPECT_EQ(settings.user, "app");
  EXPECT_EQ(settings.password.reveal(), "p@ss:w/rd");
  EXPECT_EQ(settings.database, "shop");
  EXPECT_EQ(settings.address(), "db.example:3307");
  EXPECT_EQ(settings.connect_timeout, std::chrono::seconds(2));
  EXPECT_EQ(settings.tls, Tls::disable);
  EXPECT_TRUE(settings.ansi);
  EXPECT_EQ(read("mysql://app@h").port, 3306);
  EXPECT_EQ(read("mysql://app@h/").database, "");
}

TEST(MariadbSettings, TlsIsAskedForByParameters) {
  const auto settings = read("mariadb://a@h/d?sslmode=verify-full&sslrootcert=/ca.pem");
  EXPECT_EQ(settings.tls, Tls::verify);
  EXPECT_EQ(settings.tls_ca, "/ca.pem");
  EXPECT_EQ(read("mariadb://a@h/d?sslmode=require").tls, Tls::require);
}

TEST(MariadbSettings, APoolerIsNamedByAParameter) {
  EXPECT_EQ(read("mariadb://a@h/d").pooler, Pooler::detect);
  EXPECT_EQ(read("mariadb://a@h/d?pooler=transaction").pooler, Pooler::transaction);
  EXPECT_EQ(read("mariadb://a@h/d?pooler=session").pooler, Pooler::session);
}

TEST(MariadbSettings, WhatCannotBeMeantIsRefused) {
  for (const auto* const url :
       {"mariadb:/shop", "mariadb://h/shop", "mariadb://a@h,i/shop", "mariadb://a@h/shop/orders",
        "mariadb://a@h/d?sslrootcert=/ca.pem", "mariadb://a@h/d?sslmode=maybe", "mariadb://a@h/d?pooler=maybe",
        "mariadb://a@h/d?charset=latin1"}) {
    EXPECT_THROW_CODE(read(url), Code::invalid_argument);
  }
}

TEST(MariadbSettings, ASocketStandsForHostAndPort) {
  const auto settings = read("mariadb://a@/shop?socket=/run/mysqld/mysqld.sock");
  EXPECT_EQ(settings.address(), "/run/mysqld/mysqld.sock");
}

}  // namespace
}  // namespace tidelock::sql::mariadb
