// For tests of what an error says. EXPECT_THROW_CODE is in tidelock/world/testing.h.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tidelock/base/error.h"

namespace tidelock::base::testing {

// The text of the Error that `call` throws; a failure of the test, and empty, when it throws none.
template <typename Call>
std::string error_text(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no tidelock::Error was thrown";
  return {};
}

}  // namespace tidelock::base::testing
