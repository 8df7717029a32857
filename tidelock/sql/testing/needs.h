// What a test on an engine or a server needs of the build and of the environment.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "tidelock/sql/testing/own_database.h"

namespace tidelock::sql::testing {

// There every engine and server must be, so that no test is passed over unseen.
inline bool is_ci() {
  const char* const ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

}  // namespace tidelock::sql::testing

// At the beginning of a test, or of its SetUp(): where the text says why it cannot be run here, as why_not_here() does,
// the test fails in CI and is skipped elsewhere; empty: it can.
#define TIDELOCK_NEEDS(why_not)                                                             \
  do {                                                                                      \
    const std::string why_missing = why_not;                                                \
    ASSERT_FALSE(::tidelock::sql::testing::is_ci() && !why_missing.empty()) << why_missing; \
    if (!why_missing.empty()) GTEST_SKIP() << why_missing;                                  \
  } while (false)

// The same for a server that this variable of the environment names.
#define TIDELOCK_NEEDS_VARIABLE(variable) TIDELOCK_NEEDS(::tidelock::sql::testing::why_no_server(variable))
