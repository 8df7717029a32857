#include "tidelock/base/files.h"

#include <chrono>
#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

// Somebody takes the folder away from this process while it writes there: it can neither go on nor tidy up.
WORLD_TEST(Files, WhatCouldNotBeWrittenIsToldAlsoWhenTheTemporaryFileCannotBeRemoved) {
  files.create_folders("/d");
  auto closing = runtime.spawn("close the folder", [&](auto) {
    while (!files.info("/d/x.tmp")) runtime.sleep_for(1us);
    files.set_mode("/d", 0555);
  });
  try {
    files.write_atomically("/d/x", std::string(1 << 20, 'x'));
    ADD_FAILURE() << "it was written";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("it could not be renamed to /d/x"), std::string::npos) << error.what();
  }
  closing.join();
  EXPECT_TRUE(files.info("/d/x.tmp"));
  files.set_mode("/d", 0755);
  files.write_atomically("/d/x", "whole");  // Replaces what was left behind.
  EXPECT_EQ(files.list("/d"), std::vector<std::string>{"x"});
}

}  // namespace
}  // namespace tidelock::base
