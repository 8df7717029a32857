#include "tidelock/lock/key.h"

#include <string>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

TEST(Key, AnyTextOfUpTo255BytesIsAKey) {
  for (const auto& key : {std::string("x"), std::string("prices/EUR USD"), std::string("\xf0\x9f\x94\x92"),
                          std::string("\n"), std::string(255, 'k')}) {
    EXPECT_NO_THROW(check_key("lock key", key)) << key;
  }
}

TEST(Key, WhatIsNoKeyIsRefusedWithTheReason) {
  using namespace std::string_literals;
  const auto refusal = [](const std::string& key) {
    return base::testing::error_text([&] { check_key("lock key", key); });
  };
  EXPECT_EQ(refusal(""), "lock key \"\": must not be empty");
  EXPECT_TRUE(refusal(std::string(256, 'k')).ends_with(": 256 bytes, at most 255 are allowed"));
  EXPECT_EQ(refusal("a\0b"s), "lock key \"a\\x00b\": NUL at byte 1");
  EXPECT_EQ(refusal("ab\xc3("), "lock key \"ab\\xc3(\": not UTF-8 at byte 2");
  EXPECT_THROW_CODE(check_key("lock key", ""), Code::invalid_argument);
}

TEST(Key, TheHashIsFnv1a) {
  EXPECT_EQ(hash_key(""), 0x811c9dc5u);
  EXPECT_EQ(hash_key("a"), 0xe40c292cu);
  EXPECT_EQ(hash_key("foobar"), 0xbf9cf968u);
}

}  // namespace
}  // namespace tidelock::lock
