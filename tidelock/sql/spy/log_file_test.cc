#include "tidelock/sql/spy/log_file.h"

#include <gtest/gtest.h>

#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

WORLD_TEST(SpyLogFile, GoesOnWhereItEndedOrBeginsAnew) {
  LogFile(files, {.path = "/logs/spy.log"}).write("a\n");
  LogFile(files, {.path = "/logs/spy.log"}).write("b\n");
  EXPECT_EQ(files.read("/logs/spy.log"), "a\nb\n");
  LogFile anew(files, {.path = "/logs/spy.log", .append = false});
  anew.write("c\n");
  anew.write("d\n");
  EXPECT_EQ(files.read("/logs/spy.log"), "c\nd\n");
}

WORLD_TEST(SpyLogFile, TurnsOverBeforeItGrowsTooLarge) {
  LogFile log(files, {.path = "/spy.log", .max_bytes = 10, .files = 3});
  for (const auto* line : {"1111\n", "2222\n", "3333\n", "4444\n", "5555\n", "6666\n", "7777\n"}) log.write(line);
  EXPECT_EQ(files.read("/spy.log"), "7777\n");
  EXPECT_EQ(files.read("/spy.log.1"), "5555\n6666\n");
  EXPECT_EQ(files.read("/spy.log.2"), "3333\n4444\n");
  EXPECT_FALSE(files.info("/spy.log.3"));

  LogFile one(files, {.path = "/one.log", .max_bytes = 10, .files = 1});
  for (const auto* line : {"1111\n", "2222\n", "3333\n"}) one.write(line);
  EXPECT_EQ(files.read("/one.log"), "3333\n");
  EXPECT_FALSE(files.info("/one.log.1"));
}

WORLD_TEST(SpyLogFile, SurvivesWhatOthersDoToIt) {
  LogFile log(files, {.path = "/spy.log"});
  log.write("a\n");
  files.rename("/spy.log", "/moved.log");  // As logrotate does.
  log.write("b\n");
  EXPECT_EQ(files.read("/moved.log"), "a\n");
  EXPECT_EQ(files.read("/spy.log"), "b\n");
  files.remove("/spy.log");
  log.write("c\n");
  EXPECT_EQ(files.read("/spy.log"), "c\n");
  files.open("/spy.log", base::OpenMode::read_write)->truncate(0);  // As logrotate's copytruncate does.
  log.write("d\n");
  EXPECT_EQ(files.read("/spy.log"), "d\n");
}

WORLD_TEST(SpyLogFile, LetsALineThatACrashCutShortStandAlone) {
  files.write_atomically("/spy.log", "whole\nhal");
  LogFile(files, {.path = "/spy.log"}).write("next\n");
  EXPECT_EQ(files.read("/spy.log"), "whole\nhal\nnext\n");
}

WORLD_TEST(SpyLogFile, LetsACutLineStandAloneAlsoWhenTheDiskIsFullAtFirst) {
  auto& disk = world.machine().disk().options();
  const auto capacity = disk.capacity_bytes;
  files.write_atomically("/spy.log", std::string(4096 - 4, 'x') + "\nhal");  // Its last block is full.
  LogFile log(files, {.path = "/spy.log"});
  disk.capacity_bytes = world.machine().disk().used_bytes();
  EXPECT_THROW_CODE(log.write("lost\n"), Code::disk_full);
  disk.capacity_bytes = capacity;
  log.write("next\n");
  EXPECT_EQ(files.read("/spy.log").substr(4096 - 3), "hal\nnext\n");
}

WORLD_TEST(SpyLogFile, IsWrittenByOneAtATime) {
  LogFile first(files, {.path = "/spy.log"});
  first.write("a\n");
  LogFile second(files, {.path = "/spy.log"});
  EXPECT_THROW_CODE(second.write("b\n"), Code::unavailable);
  EXPECT_EQ(files.read("/spy.log"), "a\n");
}

WORLD_TEST(SpyLogFile, IsWrittenByAnotherWhenItIsClosed) {
  LogFile first(files, {.path = "/spy.log", .append = false});
  first.write("a\n");
  first.close();
  LogFile second(files, {.path = "/spy.log"});
  second.write("b\n");
  second.close();
  first.write("c\n");
  EXPECT_EQ(files.read("/spy.log"), "a\nb\nc\n");
}

WORLD_TEST(SpyLogFile, HoldsWholeLinesAlsoWhenTheDiskIsFull) {
  auto& disk = world.machine().disk().options();
  const auto capacity = disk.capacity_bytes;
  LogFile log(files, {.path = "/spy.log"});
  log.write("first\n");
  disk.capacity_bytes = world.machine().disk().used_bytes() + 4096;
  EXPECT_THROW_CODE(log.write(std::string(20'000, 'x') + "\n"), Code::disk_full);
  EXPECT_EQ(files.read("/spy.log"), "first\n");
  log.write("short\n");  // Still fits.
  disk.capacity_bytes = capacity;
  log.write("last\n");
  EXPECT_EQ(files.read("/spy.log"), "first\nshort\nlast\n");
}

WORLD_TEST(SpyLogFile, HoldsWholeLinesWhateverFails) {
  auto& disk = world.machine().disk().options();
  LogFile log(files, {.path = "/spy.log", .max_bytes = 2000, .files = 50});
  std::uint64_t written = 0, failed = 0;
  disk.write_error_rate = 0.3;
  for (int i = 0; i < 300; ++i) {
    try {
      log.write("line " + std::to_string(i) + " " + std::string(static_cast<std::size_t>(i % 90), 'x') + "\n");
      ++written;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::io_error) << error.what();
      ++failed;
    }
  }
  disk.write_error_rate = 0;
  log.write("line end\n");
  std::uint64_t lines = 0;
  for (const auto& name : files.list("/")) {
    if (!name.starts_with("spy.log")) continue;
    const auto text = files.read("/" + name);
    EXPECT_TRUE(text.ends_with('\n'));
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      EXPECT_EQ(text.compare(at, 5, "line "), 0) << text.substr(at, 40);
      ++lines;
    }
  }
  EXPECT_EQ(lines, written + 1);
  EXPECT_GT(failed, 20U);
}

}  // namespace
}  // namespace tidelock::sql::spy
