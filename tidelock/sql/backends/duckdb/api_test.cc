#include "tidelock/sql/backends/duckdb/api.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

using base::testing::error_text;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(DuckDbApi, TheLibraryIsOfAVersionWhoseBehaviourIsKnown) {
  EXPECT_TRUE(is_supported_version(api().version)) << api().version;
  for (const auto* version : {"1.5.0", "1.5.6", "1.6.0", "1.10.2"})
    EXPECT_TRUE(is_supported_version(version)) << version;
  for (const auto* version : {"1.4.4", "0.10.2", "2.0.0", "", "x", "1", "1.x"}) {
    EXPECT_FALSE(is_supported_version(version)) << version;
  }
}

TEST(DuckDbApi, AMissingLibraryIsToldWithWhatWasTriedAndHowToGetIt) {
  EXPECT_THROW_CODE(load_library({"/nowhere/libduckdb.so"}), Code::unsupported);
  const auto text = error_text([] { load_library({"/nowhere/libduckdb.so", "no-such-library.so"}); });
  EXPECT_THAT(text, HasSubstr("/nowhere/libduckdb.so"));
  EXPECT_THAT(text, HasSubstr("no-such-library.so"));
  EXPECT_THAT(text, HasSubstr("scripts/setup"));
  EXPECT_THAT(text, HasSubstr("TIDELOCK_DUCKDB_LIBRARY"));
}

TEST(DuckDbApi, AnotherLibraryIsNotTakenForIt) {
  EXPECT_THAT(error_text([] { load_library({"libm.so.6"}); }), HasSubstr("it has no duckdb_"));
}

TEST(DuckDbApi, TheEnvironmentNamesTheOnlyCandidateThenTheBuildThenTheSystem) {
  const char* before = ::getenv("TIDELOCK_DUCKDB_LIBRARY");
  const std::string saved = before != nullptr ? before : "";
  ::setenv("TIDELOCK_DUCKDB_LIBRARY", "/mine/libduckdb.so", 1);
  EXPECT_THAT(library_candidates(), ElementsAre("/mine/libduckdb.so"));
  ::unsetenv("TIDELOCK_DUCKDB_LIBRARY");
  EXPECT_THAT(library_candidates(), ElementsAre(EndsWith("/libduckdb.so"), "libduckdb.so"));
  if (!saved.empty()) ::setenv("TIDELOCK_DUCKDB_LIBRARY", saved.c_str(), 1);
}

}  // namespace
}  // namespace tidelock::sql::duckdb
