#include "tidelock/base/secret.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tidelock::base {
namespace {

TEST(Secret, IsNeverPrinted) {
  const Secret secret("hunter2");
  std::ostringstream out;
  out << secret;
  EXPECT_EQ(out.str(), "***");
  EXPECT_EQ(fmt::format("{}", secret), "***");
  EXPECT_EQ(::testing::PrintToString(secret), "***");
  EXPECT_EQ(secret.reveal(), "hunter2");
}

TEST(Secret, NamesThatHoldSecretsAreKnownInAnyCase) {
  for (const auto name : {"password", "sslPassword", "DB_PASSWD", "session_token", "client-secret", "api_key"}) {
    EXPECT_TRUE(names_a_secret(name)) << name;
  }
  for (const auto name : {"user", "passage", "fencing_token", "key", ""}) EXPECT_FALSE(names_a_secret(name)) << name;
}

}  // namespace
}  // namespace tidelock::base
