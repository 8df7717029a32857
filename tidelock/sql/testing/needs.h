// What a test on a server needs of the environment.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "tidelock/sql/testing/own_database.h"

namespace tidelock::sql::testing {

// There every server must be, so that no test is passed over unseen.
inline bool is_ci() {
  const char* const ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

}  // namespace tidelock::sql::testing

// At the beginning of a test, or of its SetUp(): where the variable is not set the test fails in CI, and is skipped
// elsewhere.
#define TIDELOCK_NEEDS_VARIABLE(variable)                                                   \
  do {                                                                                      \
    const auto why_missing = ::tidelock::sql::testing::why_no_server(variable);             \
    ASSERT_FALSE(::tidelock::sql::testing::is_ci() && !why_missing.empty()) << why_missing; \
    if (!why_missing.empty()) GTEST_SKIP() << why_missing;                                  \
  } while (false)
