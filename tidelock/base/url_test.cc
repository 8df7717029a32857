#include "tidelock/base/url.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;
using testing::error_text;

Url make(std::string scheme, std::string path, std::vector<UrlHost> hosts = {}) {
  Url url;
  url.scheme = std::move(scheme);
  url.path = std::move(path);
  url.hosts = std::move(hosts);
  return url;
}

TEST(Url, FilesNeedNoSlashes) {
  EXPECT_EQ(Url::parse("sqlite:shop.db"), make("sqlite", "shop.db"));
  EXPECT_EQ(Url::parse("sqlite:/var/lib/shop.db"), make("sqlite", "/var/lib/shop.db"));
  EXPECT_EQ(Url::parse("sqlite::memory:"), make("sqlite", ":memory:"));
  EXPECT_EQ(Url::parse("duckdb:../data/market.db"), make("duckdb", "../data/market.db"));
  EXPECT_EQ(Url::parse("memory:"), make("memory", ""));
  EXPECT_EQ(Url::parse("sqlite:///var/shop.db"), make("sqlite", "/var/shop.db"));
  EXPECT_EQ(Url::parse("sqlite:my%20shop%3F.db"), make("sqlite", "my shop?.db"));
  EXPECT_EQ(Url::parse("sqlite:café 1.db"), make("sqlite", "café 1.db"));

  const auto url = Url::parse("sqlite:shop.db?mode=ro&note=a%26b%3Dc");
  EXPECT_EQ(url.path, "shop.db");
  EXPECT_EQ(url.params, (std::map<std::string, std::string>{{"mode", "ro"}, {"note", "a&b=c"}}));
}

TEST(Url, ServersHaveUserPasswordHostsAndPath) {
  const auto url = Url::parse("Postgres://user:p%40ss@host:5432/db?sslmode=require");
  EXPECT_EQ(url.scheme, "postgres");
  EXPECT_EQ(url.user, "user");
  EXPECT_EQ(url.password.reveal(), "p@ss");
  EXPECT_EQ(url.hosts, (std::vector<UrlHost>{{"host", 5432}}));
  EXPECT_EQ(url.path, "/db");
  EXPECT_EQ(url.params.at("sslmode"), "require");

  EXPECT_EQ(Url::parse("redlock://h1:1,h2:2,h3"), make("redlock", "", {{"h1", 1}, {"h2", 2}, {"h3", {}}}));
  EXPECT_EQ(Url::parse("zookeeper://h1,h2/chroot"), make("zookeeper", "/chroot", {{"h1", {}}, {"h2", {}}}));
  EXPECT_EQ(Url::parse("tidelock://host:8080"), make("tidelock", "", {{"host", 8080}}));
  EXPECT_EQ(Url::parse("postgres://[::1]:5432,[fe80::2]/db"),
            make("postgres", "/db", {{"::1", 5432}, {"fe80::2", {}}}));
  EXPECT_EQ(Url::parse("postgres://%2Fvar%2Frun/db"), make("postgres", "/db", {{"/var/run", {}}}));
  EXPECT_EQ(Url::parse("postgres:///db"), make("postgres", "/db"));
  EXPECT_EQ(Url::parse("redis://:pw@host").password.reveal(), "pw");
  EXPECT_EQ(Url::parse("redis://u:a:b@host").password.reveal(), "a:b");
}

TEST(Url, IsPrintedWithoutItsSecretsAndReadsBack) {
  for (const auto text :
       {"sqlite:shop.db", "sqlite::memory:", "memory:", "sqlite:/abs/x.db?mode=ro", "sqlite:a%23b%40%25.db",
        "postgres://user@host:5432/db?sslmode=require", "redlock://h1:1,h2:2,h3", "zookeeper://h1,h2/chroot",
        "postgres://[::1]:5432/db", "sqlite:////double", "postgres://%2Fvar%2Frun/db", "sqlite:café",
        "postgres://us%3Aer@host/a%20b?o=%26%3D"}) {
    EXPECT_EQ(Url::parse(text).to_string(), text);
  }
  EXPECT_EQ(Url::parse("postgres://user:s3cret@host/db?sslpassword=s3cret&a=b").to_string(),
            "postgres://user:***@host/db?a=b&sslpassword=***");
  std::ostringstream out;
  out << Url::parse("redis://:s3cret@host");
  EXPECT_EQ(out.str(), "redis://:***@host");
  EXPECT_EQ(Url::parse("sqlite:///x").to_string(), "sqlite:/x");
}

TEST(Url, AMalformedOneIsRefusedWithThePlaceAndWhatWouldBeRight) {
  struct Case {
    std::string text;
    std::string why;
  };
  for (const auto& [text, why] : std::vector<Case>{
           {"", "at character 1: a URL starts with its scheme"},
           {"shop.db", "at character 1: a URL starts with its scheme"},
           {"/var/shop.db", "at character 1: a URL starts with its scheme"},
           {":x", "at character 1: a URL starts with its scheme"},
           {"1a:x", "at character 1: a URL starts with its scheme"},
           {"sqlite:a#b", "sqlite URL at character 9: a '#' is written as %23"},
           {"sqlite:100%", "at character 11: after '%' come two hexadecimal digits"},
           {"sqlite:%4", "at character 8: after '%'"},
           {"sqlite:%zz", "at character 8: after '%'"},
           {"sqlite:a\nb", "at character 9: a control character"},
           {std::string("sqlite:a\0b", 10), "at character 9: a control character"},
           {"sqlite:a%00b", "at character 9: a control character"},
           {"sqlite:a%7F", "at character 9: a control character"},
           {"sqlite:\xFF", "at character 8: what starts here is not UTF-8"},
           {"sqlite:%C3%28", "at character 8: what starts here is not UTF-8"},
           {"sqlite:a@b", "at character 9: an '@' without '//'"},
           {"sqlite:x?mode", "at character 10: the parameter has no value"},
           {"sqlite:x?", "at character 10: a parameter name is missing"},
           {"sqlite:x?a=1&&b=2", "at character 14: a parameter name is missing"},
           {"sqlite:x?=1", "at character 10: a parameter name is missing"},
           {"sqlite:x?a=1&a=2", "at character 14: the parameter is given a second time"},
           {"sqlite:x?a=1=2", "at character 13: a second '='"},
           {"redis://h1,,h2", "at character 12: a host name is missing"},
           {"redis://h1,", "at character 12: a host name is missing"},
           {"redis://:6379", "at character 9: a host name is missing"},
           {"redis://h:0", "at character 10: after a host comes nothing, or a ':' and a port from 1 to 65535"},
           {"redis://h:65536", "at character 10: after a host"},
           {"redis://h:", "at character 10: after a host"},
           {"redis://h:01", "at character 10: after a host"},
           {"redis://h:6379x", "at character 10: after a host"},
           {"redis://::1", "at character 9: a host name is missing"},
           {"redis://fe80::1:6379", "at character 13: after a host"},
           {"redis://a%3Ab", "at character 9: an IPv6 address stands in brackets"},
           {"redis://[::1", "at character 9: the ']' of an IPv6 address is missing"},
           {"redis://[host]", "at character 10: an IPv6 address should stand in the brackets"},
           {"redis://[::1]6379", "at character 14: after a host"},
           {"redis://h ost", "at character 10: a character that no host name has"},
           {"postgres://a@b@host", "at character 15: a second '@'"},
       }) {
    EXPECT_THROW_CODE(Url::parse(text), Code::invalid_argument);
    const auto message = error_text([&] { Url::parse(text); });
    EXPECT_NE(message.find(why), std::string::npos) << message;
  }
}

TEST(Url, NoRefusalEchoesWhatMayBePartOfAPassword) {
  for (const auto text :
       {"postgres://user:hunter2", "postgres://user:hunter2@", "postgres://user:hunter2/x@host/db",
        "postgres://user:x/hunter2@host/db", "postgres://user:x?hunter2@host/db", "postgres://user:x#hunter2@host/db",
        "postgres://user:12?a=hunter2@host/db", "postgres://user:12/hunter2@host/db", "postgres:user:hunter2@host/db",
        "postgres:/user:hunter2@host/db", "user:hunter2@host", "postgres://user:hunter2@x@host/db",
        "postgres://user:hunter2%zz@host/db", "postgres://user:hunter2@host:port/db",
        "postgres://user:%hunter2@host"}) {
    try {
      EXPECT_EQ(Url::parse(text).to_string().find("hunter2"), std::string::npos) << text;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos) << error.what();
    }
  }
}

TEST(UrlParams, AreReadByType) {
  const auto url = Url::parse("sqlite:x?ro=true&pool=8&wait=1m30s&format=plain&note=hi&password=pw");
  UrlParams params(url);
  EXPECT_EQ(params.flag("ro", false), true);
  EXPECT_EQ(params.integer("pool", 4, 1, 64), 8);
  EXPECT_EQ(params.duration("wait", 5s, 0s, 1h), 90s);
  EXPECT_EQ(params.choice("format", "json", {"json", "plain"}), "plain");
  EXPECT_EQ(params.text("note", ""), "hi");
  EXPECT_EQ(params.secret("password").reveal(), "pw");
  EXPECT_NO_THROW(params.finish());
}

TEST(UrlParams, AbsentOnesHaveTheirFallback) {
  const auto url = Url::parse("sqlite:x");
  UrlParams params(url);
  EXPECT_EQ(params.flag("ro", true), true);
  EXPECT_EQ(params.integer("pool", 4, 1, 64), 4);
  EXPECT_EQ(params.duration("wait", 5s, 0s, 1h), 5s);
  EXPECT_EQ(params.choice("format", "json", {"json", "plain"}), "json");
  EXPECT_EQ(params.text("note", "none"), "none");
  EXPECT_TRUE(params.secret("password").empty());
  EXPECT_NO_THROW(params.finish());
}

TEST(UrlParams, AWrongValueIsRefusedWithItsNameAndWhatIsAllowed) {
  const auto url =
      Url::parse("sqlite:x?ro=yes&pool=65&big=99999999999999999999&num=1x&wait=5&long=2h&format=xml&api_key=nope");
  UrlParams params(url);
  const auto says = [](auto&& call, std::string_view text) {
    EXPECT_THROW_CODE(call(), Code::invalid_argument);
    const auto message = error_text(call);
    EXPECT_NE(message.find(text), std::string::npos) << message;
    EXPECT_EQ(message.find("nope"), std::string::npos) << message;
  };
  says([&] { params.flag("ro", false); }, "is \"yes\"; it should be true or false");
  says([&] { params.integer("pool", 4, 1, 64); }, "is \"65\"; it should be a whole number from 1 to 64");
  says([&] { params.integer("big", 4, 1, 64); }, "parameter big of sqlite:x?");
  says([&] { params.integer("num", 4, 1, 64); }, "is \"1x\"");
  says([&] { params.duration("wait", 5s, 0s, 1h); }, "is \"5\"; it should be a duration from 0s to 1h");
  says([&] { params.duration("long", 5s, 0s, 1h); }, "is \"2h\"");
  says([&] { params.choice("format", "json", {"json", "plain"}); }, "one of json and plain");
  says([&] { params.integer("api_key", 4, 1, 64); }, "parameter api_key");
}

TEST(UrlParams, AnUnknownOneIsRefusedWithTheKnownAndTheNearest) {
  const auto url = Url::parse("sqlite:x?tiemout=5s");
  UrlParams params(url);
  params.flag("read_only", false);
  params.duration("timeout", 5s, 0s, 1h);
  EXPECT_EQ(
      error_text([&] { params.finish(); }),
      "unknown parameter \"tiemout\" in sqlite:x?tiemout=5s; known are: read_only and timeout. Did you mean timeout?");
  EXPECT_THROW_CODE(UrlParams(url).finish(), Code::invalid_argument);
}

TEST(UrlParams, AMistypedPasswordIsNotShown) {
  for (const std::string name : {"passwrod", "pasword", "Passwort", "passswd"}) {
    const auto url = Url::parse("postgres://h/shop?mode=rw&" + name + "=geheim&other=1");
    UrlParams params(url);
    params.choice("mode", "rw", {"rw", "ro"});
    const auto text = error_text([&] { params.finish(); });
    EXPECT_EQ(text.find("geheim"), std::string::npos) << text;
    EXPECT_NE(text.find("mode=rw"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace tidelock::base
