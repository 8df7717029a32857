// Services are started in order, kept running, stopped in reverse order. In virtual time.
#include "tidelock/pipeline/services.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tidelock/pipeline/testing/fake_host.h"
#include "tidelock/world/testing.h"

namespace tidelock::pipeline {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeHost;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using Restart = Service::Restart;

Service service(std::string name, Restart restart = Restart::always) {
  Service made;
  made.name = std::move(name);
  made.restart = restart;
  made.backoff = {.base = 200ms, .factor = 2, .cap = 10s, .jitter = base::Jitter::none};
  made.stop_timeout = 5s;
  return made;
}

// Every line that was said, with who it is about.
struct Said {
  std::vector<std::string> lines{};
  Say say() {
    return [this](const Progress& progress) { lines.push_back(progress.about + ": " + progress.text); };
  }
};

std::vector<base::Duration> starts(const FakeHost& host, const std::string& name) {
  std::vector<base::Duration> all;
  for (const auto& event : host.story) {
    if (event.what == "start " + name) all.push_back(event.at);
  }
  return all;
}

WORLD_TEST(Services, AreStartedAndStoppedInReverseOrderOneAfterTheOther) {
  FakeHost host(runtime);
  host.programs["b"].stops_in = 2s;
  const std::vector all{service("a"), service("b")};
  Services services(runtime, host, all, [](const Progress&) {});
  services.start();
  runtime.sleep_for(1s);
  EXPECT_EQ(host.running, 2);
  services.stop();
  EXPECT_EQ(host.running, 0);
  std::vector<std::string> ends;
  for (const auto& event : host.story) {
    if (!event.what.starts_with("start")) ends.push_back(event.what);
  }
  EXPECT_THAT(ends, ElementsAre("term b", "end b", "term a", "end a"));
  EXPECT_EQ(host.story.back().at, 3s);
}

WORLD_TEST(Services, EachIsStartedWhenTheOneBeforeItRunsOrCouldNotBeStarted) {
  FakeHost host(runtime);
  host.programs["a"] = {.lives = 1s, .starts_in = 3s};
  host.programs["b"] = {.starts_in = 2s, .missing = true};
  const std::vector all{service("a", Restart::never), service("b", Restart::never), service("c")};
  Services services(runtime, host, all, [](const Progress&) {});
  services.start();
  runtime.sleep_for(10s);
  EXPECT_THAT(host.whats(), ElementsAre("start a", "end a", "start c"));
  EXPECT_THAT(starts(host, "c"), ElementsAre(5s));
  services.stop();
}

WORLD_TEST(Services, OneWhoseTurnHasNotComeIsNotStartedAnyMoreWhenTheyAreStopped) {
  FakeHost host(runtime);
  host.programs["a"].starts_in = 3s;
  const std::vector all{service("a"), service("b")};
  Services services(runtime, host, all, [](const Progress&) {});
  services.start();
  runtime.sleep_for(1s);
  services.stop();
  EXPECT_THAT(host.whats(), ElementsAre("start a", "term a", "end a"));
}

WORLD_TEST(Services, OneThatEndsIsStartedAgainWithGrowingPauses) {
  FakeHost host(runtime);
  host.programs["a"].lives = 1s;
  const std::vector all{service("a")};
  Services services(runtime, host, all, [](const Progress&) {});
  services.start();
  runtime.sleep_for(6s);
  EXPECT_THAT(starts(host, "a"), ElementsAre(0s, 1200ms, 2600ms, 4400ms));
  services.stop();
  EXPECT_EQ(services.restarts(), 3U);
}

WORLD_TEST(Services, OneThatRanForAMinuteBeginsItsPausesAnew) {
  FakeHost host(runtime);
  host.programs["a"].lives = 61s;
  const std::vector all{service("a")};
  Services services(runtime, host, all, [](const Progress&) {});
  services.start();
  runtime.sleep_for(200s);
  EXPECT_THAT(starts(host, "a"), ElementsAre(0s, 61200ms, 122400ms, 183600ms));
}

WORLD_TEST(Services, RestartSaysWhoIsStartedAgain) {
  for (const auto& [restart, code, expected] : {std::tuple{Restart::always, 0, true},
                                                {Restart::always, 1, true},
                                                {Restart::on_failure, 0, false},
                                                {Restart::on_failure, 1, true},
                                                {Restart::never, 0, false},
                                                {Restart::never, 1, false}}) {
    FakeHost host(runtime);
    host.programs["a"] = {.lives = 1s, .code = code};
    const std::vector all{service("a", restart)};
    Services services(runtime, host, all, [](const Progress&) {});
    services.start();
    runtime.sleep_for(2s);
    EXPECT_EQ(starts(host, "a").size() > 1, expected) << static_cast<int>(restart) << " " << code;
  }
}

WORLD_TEST(Services, OneThatDoesNotStopIsKilledAfterItsTimeout) {
  FakeHost host(runtime);
  host.programs["a"].stops_in = 1h;
  Said said;
  const std::vector all{service("a")};
  Services services(runtime, host, all, said.say());
  services.start();
  runtime.sleep_for(1s);
  services.stop();
  EXPECT_EQ(host.story.back().at, 6s);
  EXPECT_THAT(said.lines, Contains(HasSubstr("a: stopped: killed by signal 9")));
}

WORLD_TEST(Services, HurryEndsAtOnceWhatStillStops) {
  FakeHost host(runtime);
  host.programs["a"].stops_in = 4s;
  host.programs["b"].stops_in = 4s;
  const std::vector all{service("a"), service("b")};
  Services services(runtime, host, all, [](const Progress&) {});
  services.start();
  runtime.sleep_for(1s);
  std::stop_source hurry;
  const auto impatient = runtime.spawn("impatient", [&](const std::stop_token&) {
    runtime.sleep_for(1s);
    hurry.request_stop();
  });
  services.stop(hurry.get_token());
  EXPECT_EQ(host.running, 0);
  EXPECT_EQ(host.story.back().at, 2s);
}

WORLD_TEST(Services, StoppingDuringAPauseStartsNothing) {
  FakeHost host(runtime);
  host.programs["a"].lives = 1ms;
  auto slow = service("a");
  slow.backoff.base = slow.backoff.cap = 10s;
  const std::vector all{slow};
  Services services(runtime, host, all, [](const Progress&) {});
  services.start();
  runtime.sleep_for(1s);
  services.stop();
  EXPECT_THAT(host.whats(), ElementsAre("start a", "end a"));
}

WORLD_TEST(Services, OneThatCannotBeStartedIsSaidAndTriedAgain) {
  FakeHost host(runtime);
  host.programs["a"].missing = true;
  Said said;
  const std::vector all{service("a")};
  Services services(runtime, host, all, said.say());
  services.start();
  runtime.sleep_for(1s);
  EXPECT_THAT(said.lines, Contains(HasSubstr("a: there is no such program")));
  host.programs["a"].missing = false;
  runtime.sleep_for(10s);
  EXPECT_EQ(host.running, 1);
  services.stop();
}

WORLD_TEST(Services, WhatTheyWriteIsPassedOnLineByLine) {
  FakeHost host(runtime);
  host.programs["a"].says = {"one", "two"};
  std::vector<std::string> lines;
  const std::vector all{service("a")};
  Services services(runtime, host, all, [&](const Progress& progress) {
    if (progress.kind == Progress::Kind::output) lines.push_back(progress.about + "|" + progress.text);
  });
  services.start();
  runtime.sleep_for(1s);
  services.stop();
  EXPECT_THAT(lines, ElementsAre("a|one", "a|two"));
}

}  // namespace
}  // namespace tidelock::pipeline
