#include "tidelock/cli/exit_code.h"

#include <gtest/gtest.h>

#include <csignal>

namespace tidelock::cli {
namespace {

TEST(ExitCode, WhatTheCommandLineMustChangeIsTwo) {
  EXPECT_EQ(exit_for(Code::invalid_argument), Exit::usage);
  EXPECT_EQ(exit_for(Code::unsupported), Exit::usage);
  EXPECT_EQ(exit_for(Code::permits_differ), Exit::usage);
}

TEST(ExitCode, ALostLeaseIsSeventyAndADeadlockSeventyFive) {
  EXPECT_EQ(number(exit_for(Code::lease_lost)), 70);
  EXPECT_EQ(number(exit_for(Code::fenced)), 70);
  EXPECT_EQ(number(exit_for(Code::deadlock)), 75);
}

TEST(ExitCode, AStateThatCannotBeUsedIsOne) {
  for (const auto code : {Code::disk_full, Code::read_only, Code::corrupt, Code::database_locked, Code::timeout}) {
    EXPECT_EQ(exit_for(code), Exit::failed) << name(code);
  }
}

TEST(ExitCode, TheCommandsOwnPassesAndASignalIs128AndItsNumber) {
  EXPECT_EQ(exit_for_status(0, false), 0);
  EXPECT_EQ(exit_for_status(75, false), 75);
  EXPECT_EQ(exit_for_status(SIGKILL, true), 137);
}

}  // namespace
}  // namespace tidelock::cli
