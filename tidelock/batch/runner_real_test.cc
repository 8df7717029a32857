// Steps that are programs, on the real Runtime.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/batch/testing/bench.h"
#include "tidelock/lock/owner.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using ::testing::HasSubstr;
using testing::job_of;

class RealRunner : public ::testing::Test {
 protected:
  std::vector<std::string> output(Bench& bench, RunId run) {
    std::vector<std::string> lines;
    for (const auto& event : bench.history().show(run).events) {
      if (event.level == "output") lines.push_back(event.text);
    }
    return lines;
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder temp_;
};

TEST_F(RealRunner, AProgramSeesTheRunAndItsOutputIsKept) {
  Bench bench(runtime_, files_, temp_.path());
  const auto job = job_of(CommandStep{
      .argv = {"sh", "-c", "echo $TIDELOCK_JOB $TIDELOCK_RUN $TIDELOCK_TODAY $EXTRA; echo oops >&2; exit ${FAIL:-0}"},
      .env = {{"EXTRA", "more"}}});
  EXPECT_EQ(bench.run(job).status, RunStatus::completed);
  EXPECT_THAT(output(bench, 1), ::testing::UnorderedElementsAre("job 1 1970-01-01 more", "oops"));

  auto failing = job;
  std::get<CommandStep>(failing.steps[0].what).env["FAIL"] = "3";
  const auto failed = bench.run(failing);
  EXPECT_EQ(failed.status, RunStatus::failed);
  EXPECT_EQ(failed.reason, "\"sh\" ended with exit code 3");
  EXPECT_EQ(output(bench, 2).size(), 2);  // It ran once.
}

TEST_F(RealRunner, AProgramStandsBelowTheTaskThatHoldsTheSlot) {
  Bench bench(runtime_, files_, temp_.path());
  EXPECT_EQ(bench.run(job_of(CommandStep{.argv = {"sh", "-c", "echo $TIDELOCK_OWNER"}})).status, RunStatus::completed);
  EXPECT_THAT(output(bench, 1), ::testing::ElementsAre(lock::current_owner(runtime_)));
}

TEST_F(RealRunner, AProgramThatTakesTooLongIsEnded) {
  Bench bench(runtime_, files_, temp_.path());
  const auto result = bench.run(job_of(CommandStep{.argv = {"sleep", "1000"}, .timeout = 50ms}));
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_THAT(result.reason, HasSubstr("took too long"));
}

TEST_F(RealRunner, AProgramIsEndedWithTheProcess) {
  Bench bench(runtime_, files_, temp_.path());
  const auto job = job_of(CommandStep{.argv = {"sh", "-c", "echo begun; sleep 1000"}});
  std::stop_source stop;
  auto context = bench.context();
  context.progress = [&](const Progress& progress) {
    if (progress.text == "begun") stop.request_stop();
  };
  Runner runner(context);
  const auto result = runner.execute(bench.queue(job), job, stop.get_token());
  EXPECT_EQ(result->status, RunStatus::interrupted);
}

// The real one, that tells who is about to sleep.
class WatchedRuntime final : public base::Runtime {
 public:
  WatchedRuntime(base::Runtime& inner, std::function<void()> on_sleep)
      : inner_(inner), on_sleep_(std::move(on_sleep)) {}

  base::Instant now() override { return inner_.now(); }
  base::WallTime wall_now() override { return inner_.wall_now(); }
  bool sleep_until(base::Instant moment, const std::stop_token& stop = {}) override {
    on_sleep_();
    return inner_.sleep_until(moment, stop);
  }
  void yield() override { inner_.yield(); }
  std::uint64_t random() override { return inner_.random(); }
  std::unique_ptr<base::Signal> make_signal(std::string_view name) override { return inner_.make_signal(name); }
  [[nodiscard]] base::Task spawn(std::string name, std::function<void(std::stop_token)> body) override {
    return inner_.spawn(std::move(name), std::move(body));
  }
  std::uint64_t current_task() override { return inner_.current_task(); }
  std::shared_ptr<const base::ContextFrame>& context() override { return inner_.context(); }
  const base::Identity& identity() override { return inner_.identity(); }

 private:
  base::Runtime& inner_;
  const std::function<void()> on_sleep_;
};

// As a service manager ends a whole process group: the program may be gone before its own process has heard of it.
// Here it hears while it waits for the word, when it has seen that end: who does not wait has failed by then.
TEST_F(RealRunner, AProgramThatIsEndedTogetherWithTheProcessHasNotFailed) {
  std::stop_source stop;
  std::atomic<pid_t> program = 0;
  WatchedRuntime runtime(runtime_, [&] {
    if (program != 0 && ::kill(program, 0) != 0) stop.request_stop();
  });
  Bench bench(runtime, files_, temp_.path());
  const auto job = job_of(CommandStep{.argv = {"sh", "-c", "echo $$; kill -TERM $$"}});
  auto context = bench.context();
  context.progress = [&](const Progress& progress) {
    if (progress.step == "step" && program == 0) program = std::stoi(progress.text);
  };
  const auto result = Runner(context).execute(bench.queue(job), job, stop.get_token());
  EXPECT_EQ(result->status, RunStatus::interrupted) << result->reason;
}

TEST_F(RealRunner, WhatAProgramStartedHasAsMuchTimeToEndAsItself) {
  Bench bench(runtime_, files_, temp_.path());
  const auto done = temp_.path() / "done";
  const auto job = job_of(CommandStep{
      .argv = {"sh", "-c",
               R"(sh -c 'trap "sleep 0.2; echo done > $DONE; exit 0" TERM; echo begun; sleep 1000 & wait' & wait)"},
      .env = {{"DONE", done.string()}}});
  std::stop_source stop;
  auto context = bench.context();
  context.progress = [&](const Progress& progress) {
    if (progress.text == "begun") stop.request_stop();
  };
  EXPECT_EQ(Runner(context).execute(bench.queue(job), job, stop.get_token())->status, RunStatus::interrupted);
  EXPECT_TRUE(files_.info(done));
}

// It would end by itself, much later.
TEST_F(RealRunner, AProgramThatDoesNotListenIsKilled) {
  Bench bench(runtime_, files_, temp_.path());
  const auto job = job_of(CommandStep{.argv = {"sh", "-c", "trap '' TERM; echo begun; sleep 30"}});
  std::stop_source stop;
  auto context = bench.context();
  std::stop_source hurry;
  context.hurry = hurry.get_token();
  context.progress = [&](const Progress& progress) {
    if (progress.text != "begun") return;
    hurry.request_stop();
    stop.request_stop();
  };
  const auto begun = runtime_.now();
  EXPECT_EQ(Runner(context).execute(bench.queue(job), job, stop.get_token())->status, RunStatus::interrupted);
  EXPECT_LT(runtime_.now() - begun, 20s);
}

}  // namespace
}  // namespace tidelock::batch
#endif
