#include "tidelock/base/log.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "tidelock/base/log_sinks.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

LineWriter append_to(std::string& text) {
  return [&text](std::string_view line) { text += line; };
}

class BrokenLog final : public LogSink {
 public:
  void write(const LogRecord&) override { throw std::runtime_error("disk full"); }
};

// What TextLog writes behind the time.
std::string text_of(Runtime& runtime, std::string_view message, std::initializer_list<LogField> fields) {
  std::string text;
  Log log(runtime, LogLevel::debug, {std::make_shared<TextLog>(append_to(text))});
  log.info(message, fields);
  return text.substr(text.find(" level=") + 1);
}

WORLD_TEST(Log, ATextLineHasTimeLevelMessageAndFields) {
  std::string text;
  Log log(runtime, LogLevel::debug, {std::make_shared<TextLog>(append_to(text))});
  log.warning("lease lost", {{"key", "orders"}, {"token", 17}, {"late_by", 1500ms}, {"held", false}, {"share", 0.5}});
  EXPECT_EQ(text, "time=" + format_wall_time(runtime.wall_now()) +
                      " level=warning msg=\"lease lost\" key=orders token=17 late_by=1s500ms held=false share=0.5\n");
}

WORLD_TEST(Log, ATextEntryIsOneLineWhateverItHolds) {
  EXPECT_EQ(text_of(runtime, "a\nb", {{"x y=\n", "say \"hi\"\n"}, {"", ""}, {"t", "\x1b[31m"}, {"bad", "\xFF"}}),
            "level=info msg=\"a\\nb\" x_y__=\"say \\\"hi\\\"\\n\" _=\"\" t=\"\\x1b[31m\" bad=\"\\xff\"\n");
}

WORLD_TEST(Log, ExtremeNumbersAreWrittenWhole) {
  EXPECT_EQ(text_of(runtime, "m",
                    {{"low", std::numeric_limits<std::int64_t>::min()},
                     {"high", std::numeric_limits<std::uint64_t>::max()},
                     {"small", short{-1}},
                     {"flag", true}}),
            "level=info msg=m low=-9223372036854775808 high=18446744073709551615 small=-1 flag=true\n");
}

WORLD_TEST(Log, SecretsAreMaskedByTypeAndByName) {
  const Secret secret("hunter2");
  std::string json;
  const auto memory = std::make_shared<MemoryLog>();
  Log log(runtime, LogLevel::debug, {std::make_shared<JsonLog>(append_to(json)), memory});
  log.info("connect", {{"with", secret}, {"session_token", "hunter2"}, {"fencing_token", 7}});
  EXPECT_EQ(text_of(runtime, "m", {{"with", secret}, {"password", "hunter2"}}),
            "level=info msg=m with=*** password=***\n");
  EXPECT_EQ(json.find("hunter2"), std::string::npos);
  EXPECT_EQ(memory->entries().at(0).fields.at("session_token"), "***");
  EXPECT_EQ(memory->entries().at(0).fields.at("fencing_token"), "7");
}

WORLD_TEST(Log, AJsonLineIsAnObjectWithTheFieldsBesideTheMessage) {
  std::string text;
  Log log(runtime, LogLevel::debug, {std::make_shared<JsonLog>(append_to(text))});
  log.error(
      "no",
      {{"key", "a\"b"}, {"n", -5}, {"u", 5U}, {"d", 0.5}, {"b", true}, {"t", 1min}, {"level", "x"}, {"bad", "\xFFz"}});
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_EQ(nlohmann::json::parse(text), (nlohmann::json{{"time", format_wall_time(runtime.wall_now())},
                                                         {"level", "error"},
                                                         {"message", "no"},
                                                         {"key", "a\"b"},
                                                         {"n", -5},
                                                         {"u", 5},
                                                         {"d", 0.5},
                                                         {"b", true},
                                                         {"t", "1m"},
                                                         {"level_", "x"},
                                                         {"bad", "\uFFFDz"}}));
}

WORLD_TEST(Log, EntriesBelowTheThresholdGoNowhere) {
  const auto memory = std::make_shared<MemoryLog>();
  Log log(runtime, LogLevel::warning, {memory});
  EXPECT_FALSE(log.enabled(LogLevel::info));
  EXPECT_TRUE(log.enabled(LogLevel::warning));
  log.debug("1");
  log.info("2");
  log.warning("3");
  log.error("4");
  ASSERT_EQ(memory->entries().size(), 2U);
  EXPECT_EQ(memory->entries()[0].message, "3");
  EXPECT_EQ(memory->entries()[1].level, LogLevel::error);
  EXPECT_FALSE(Log(runtime, LogLevel::debug, {}).enabled(LogLevel::error));
}

WORLD_TEST(Log, ASinkThatFailsHarmsNeitherTheCallerNorTheOthers) {
  const auto memory = std::make_shared<MemoryLog>();
  Log log(runtime, LogLevel::info, {std::make_shared<BrokenLog>(), memory});
  log.info("one");
  log.info("two");
  EXPECT_EQ(log.lost(), 2U);
  EXPECT_EQ(memory->entries().size(), 2U);
}

WORLD_TEST(Log, MemoryKeepsTheLastEntriesOnly) {
  const auto memory = std::make_shared<MemoryLog>(3);
  Log log(runtime, LogLevel::info, {memory});
  for (int i = 0; i < 10; ++i) log.info(std::to_string(i));
  std::string kept;
  for (const auto& entry : memory->entries()) kept += entry.message;
  EXPECT_EQ(kept, "789");
}

TEST(Log, ATimeOfDayIsWrittenInUtcWithMicroseconds) {
  using namespace std::chrono;
  EXPECT_EQ(format_wall_time(WallTime{}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_wall_time(sys_days{2024y / February / 29} + 23h + 59min + 58s + 7us), "2024-02-29T23:59:58.000007Z");
  EXPECT_EQ(format_wall_time(WallTime{} - 1us), "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace tidelock::base
