#include "tidelock/sql/backends/all.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

WORLD_TEST(Engines, AnUnknownSchemeListsTheKnownOnes) {
  const auto refusal = [&](const char* url) {
    return base::testing::error_text([&] { open(runtime, files, base::Url::parse(url)); });
  };
  EXPECT_THROW_CODE(open(runtime, files, base::Url::parse("gopher:x")), Code::invalid_argument);
  for (const auto& engine : engines()) {
    EXPECT_NE(refusal("gopher:x").find(engine.scheme + ":"), std::string::npos) << refusal("gopher:x");
  }
  EXPECT_NE(refusal("sqlit:/shop.db").find("did you mean sqlite:"), std::string::npos) << refusal("sqlit:/shop.db");
}

// What stands in it is for the server only, and is looked at before anybody connects.
WORLD_TEST(Engines, APasswordFileHoldsOneLine) {
  for (const std::string scheme : {"mariadb", "postgres"}) {
    const auto known = engines();
    if (std::ranges::find(known, scheme, &Engine::scheme) == known.end()) continue;
    const auto refusal = [&](const std::string& login, std::string_view content) {
      files.create_folders("/etc");
      files.write_atomically("/etc/password", content);
      return base::testing::error_text([&] {
        open(runtime, files,
             base::Url::parse(scheme + "://" + login + "@127.0.0.1:1/shop?password_file=/etc/password"));
      });
    };
    const auto missing = base::Url::parse(scheme + "://app@127.0.0.1:1/shop?password_file=/nowhere");
    EXPECT_NO_THROW(check_url(runtime, files, missing)) << "it touches no file";
    EXPECT_THROW_CODE(open(runtime, files, missing), Code::not_found);
    for (const auto* const content : {"", "\n", "two\nlines\n", "one\n\n"}) {
      const auto text = refusal("app", content);
      EXPECT_NE(text.find("/etc/password is to hold a password"), std::string::npos) << text;
      EXPECT_EQ(text.find("lines"), std::string::npos) << text;
    }
    const auto twice = refusal("app:hidden", "another");
    EXPECT_NE(twice.find("one of them is enough"), std::string::npos) << twice;
  }
}

WORLD_TEST(Engines, HowADatabaseReadsSqlIsToldByItsUrlAlone) {
#if TIDELOCK_HAVE_SQLITE
  EXPECT_EQ(lexis_of(base::Url::parse("sqlite:/x.db")),
            open(runtime, files, base::Url::parse("sqlite:/x.db"))->dialect().lexis);
#endif
#if TIDELOCK_HAVE_DUCKDB
  EXPECT_EQ(lexis_of(base::Url::parse("duckdb:/x.db")), testing::kDuckdb);
#endif
#if TIDELOCK_HAVE_POSTGRES
  EXPECT_EQ(lexis_of(base::Url::parse("postgresql://app@db/shop")), testing::kPostgres);
#endif
#if TIDELOCK_HAVE_MARIADB
  EXPECT_FALSE(lexis_of(base::Url::parse("mariadb://app@db/shop?password_file=/x")).backslash_escapes);
  EXPECT_TRUE(lexis_of(base::Url::parse("mysql://app@db/shop?ansi=false")).backslash_escapes);
#endif
  EXPECT_THROW_CODE(lexis_of(base::Url::parse("gopher:x")), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::sql
