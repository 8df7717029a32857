// Expectations that every test shares.
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

template <typename Call>
::testing::AssertionResult throws_code(Code expected, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    if (error.code() == expected) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "expected " << name(expected) << ", thrown was " << name(error.code())
                                         << ": " << error.what();
  } catch (const std::exception& error) {
    return ::testing::AssertionFailure() << "expected " << name(expected) << ", thrown was " << error.what();
  }
  return ::testing::AssertionFailure() << "expected " << name(expected) << ", nothing was thrown";
}

}  // namespace tidelock::base::testing

#define EXPECT_THROW_CODE(statement, code) \
  EXPECT_TRUE(::tidelock::base::testing::throws_code(code, [&] { static_cast<void>(statement); }))
