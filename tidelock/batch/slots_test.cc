// Who runs when: slots, overlap, stopping, and runs whose process is gone.
#include <gmock/gmock.h>

#include <chrono>

#include "tidelock/batch/testing/before.h"
#include "tidelock/batch/testing/bench.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/world/testing.h"

#if TIDELOCK_HAVE_SQLITE
namespace tidelock::batch {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::job_of;

Job in_group(Overlap overlap) {
  auto job = job_of(TriggerStep{"report"});
  job.group = Group{"books", 1};
  job.overlap = overlap;
  return job;
}

WORLD_TEST(Slots, ARunIsSkippedWithItsReasonOrWaitsAndShowsForWhom) {
  Bench bench(runtime, files);
  lock::Mutex foreign(bench.locks(), runtime, group_key("books"));  // As `tidelock lock run --group books` does.
  auto lease = *foreign.try_acquire(runtime.in(1s));
  const auto skipped = bench.run(in_group(Overlap::skip));
  EXPECT_EQ(skipped.status, RunStatus::skipped);
  EXPECT_THAT(skipped.reason, HasSubstr("group/books was held by process"));

  const auto job = in_group(Overlap::wait);
  const auto id = bench.queue(job);
  std::optional<RunResult> result;
  auto task = runtime.spawn("run", [&](std::stop_token) { result = bench.runner().execute(id, job); });
  runtime.sleep_for(2s);
  const auto waiting = bench.history().waiting();
  ASSERT_EQ(waiting.size(), 1);
  EXPECT_EQ(waiting[0].key, "group/books");
  EXPECT_EQ(waiting[0].who, "run 2 of job");
  EXPECT_EQ(waiting[0].holders.size(), 1);
  EXPECT_EQ(bench.history().show(id).run.status, RunStatus::waiting);
  EXPECT_THAT(bench.runs().pending(bench.locks(), runtime.in(1s)), IsEmpty());
  EXPECT_FALSE(bench.runner().execute(id, job));  // It is being executed.
  foreign.release(lease, runtime.in(1s));
  task.join();
  EXPECT_EQ(result->status, RunStatus::completed);
  EXPECT_EQ(bench.history().totals().slot_waits, 1);
  EXPECT_THAT(bench.story(), Contains(HasSubstr("waits for group/books, held by process")));
}

WORLD_TEST(Slots, ARunThatWaitsCanBeStoppedAndResumed) {
  Bench bench(runtime, files);
  lock::Mutex foreign(bench.locks(), runtime, group_key("books"));
  auto lease = *foreign.try_acquire(runtime.in(1s));
  const lock::Keeper keeper(foreign, lease);
  const auto job = in_group(Overlap::wait);
  const auto id = bench.queue(job);
  std::optional<RunResult> result;
  auto task = runtime.spawn("run", [&](std::stop_token) { result = bench.runner().execute(id, job); });
  runtime.sleep_for(2s);
  EXPECT_TRUE(bench.request_stop(id));
  task.join();
  EXPECT_EQ(result->status, RunStatus::stopped);
  EXPECT_FALSE(bench.request_stop(id));
  EXPECT_THAT(bench.runs().pending(bench.locks(), runtime.in(1s)), IsEmpty());  // Only an operator continues it.
  EXPECT_THROW_CODE(bench.request_stop(99), Code::not_found);

  const auto queued = bench.queue(job);
  EXPECT_TRUE(bench.request_stop(queued));
  EXPECT_EQ(bench.history().show(queued).run.status, RunStatus::stopped);
}

// Somebody who holds the group until the run that waits for him is seen to wait.
class InTheWay {
 public:
  InTheWay(Bench& bench, base::Runtime& runtime)
      : bench_(bench), runtime_(runtime), mutex_(bench.locks(), runtime, group_key("books")) {}

  // How the run ended, which began while the group was held; whether it waited.
  std::pair<RunResult, bool> execute(RunId id, const Job& job, bool by_operator = false) {
    auto lease = *mutex_.try_acquire(runtime_.in(1s));
    std::optional<RunResult> result;
    auto task = runtime_.spawn("run", [&](std::stop_token) {
      result = by_operator ? bench_.runner().resume(id, job) : bench_.runner().execute(id, job);
    });
    runtime_.sleep_for(2s);
    const bool waited = bench_.history().find(id).status == RunStatus::waiting;
    mutex_.release(lease, runtime_.in(1s));
    task.join();
    return {*result, waited};
  }

 private:
  Bench& bench_;
  base::Runtime& runtime_;
  lock::Mutex mutex_;
};

WORLD_TEST(Slots, ARunThatHasBegunIsNotSkippedWhenItGoesOn) {
  Bench bench(runtime, files);
  auto job = in_group(Overlap::skip);
  job.steps.push_back({.name = "second", .what = TriggerStep{"mail"}});
  const auto id = bench.queue(job);
  std::stop_source stop;
  auto context = bench.context();
  context.queued = [&](RunId, const std::string&) { stop.request_stop(); };
  EXPECT_EQ(Runner(context).execute(id, job, stop.get_token())->status, RunStatus::interrupted);

  const auto [result, waited] = InTheWay(bench, runtime).execute(id, job);
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_TRUE(waited);
  EXPECT_EQ(bench.state().one<std::int64_t>("select count(*) from tidelock_run where job = 'mail'"), 1);
}

WORLD_TEST(Slots, AFirstRunIsNeverSkippedSinceAllOthersWaitForIt) {
  Bench bench(runtime, files);
  const auto job = in_group(Overlap::skip);
  const auto id = *bench.runs().queue({.job = job.name, .cause = Cause::first, .scheduled = base::WallTime{}});
  const auto [result, waited] = InTheWay(bench, runtime).execute(id, job);
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_TRUE(waited);
}

WORLD_TEST(Slots, ARunThatAnOperatorResumesIsNotSkipped) {
  Bench bench(runtime, files);
  const auto job = in_group(Overlap::skip);
  const auto id = bench.queue(job);
  EXPECT_TRUE(bench.request_stop(id));
  const auto [result, waited] = InTheWay(bench, runtime).execute(id, job, true);
  EXPECT_EQ(result.status, RunStatus::completed) << result.reason;
  EXPECT_TRUE(waited);
}

// What would be tried again, had its process not been told to end, or an operator not asked.
WORLD_TEST(Slots, AnErrorThatPassesIsNoFailureOfARunThatIsToldToStop) {
  const auto job = job_of(SqlStep{"insert.sql", "select 1"});
  Bench bench(runtime, files);
  std::stop_source stop;
  auto context = bench.context();
  std::function<void()> act = [&] { stop.request_stop(); };
  auto code = Code::unavailable;
  context.open_store = [&](const std::string&, const std::stop_token&) -> std::shared_ptr<sql::Database> {
    act();
    throw Error(code, "the server restarts");
  };
  Runner runner(context);
  const auto id = bench.queue(job);
  EXPECT_EQ(runner.execute(id, job, stop.get_token())->status, RunStatus::interrupted);
  code = Code::read_only_server;  // As a standby says that is about to take over.
  EXPECT_EQ(runner.execute(id, job, stop.get_token())->status, RunStatus::interrupted);
  EXPECT_THAT(bench.history().find(id).reason, HasSubstr("the server restarts"));
  ASSERT_EQ(bench.runs().pending(bench.locks(), runtime.in(1s)).size(), 1);

  act = [&] {
    EXPECT_TRUE(bench.request_stop(id));
    runtime.sleep_for(2s);  // It looks twice a second.
  };
  EXPECT_EQ(runner.execute(id, job)->status, RunStatus::stopped);

  act = [&] { stop.request_stop(); };
  code = Code::statement_invalid;  // Stays so, whoever comes next.
  EXPECT_EQ(runner.resume(id, job, stop.get_token())->status, RunStatus::failed);
}

WORLD_TEST(Slots, AStepThatMeetsAServerWhichIsNotThePrimaryYetIsTriedAgain) {
  Bench bench(runtime, files);
  auto context = bench.context();
  int refusals = 2;
  auto code = Code::read_only_server;
  context.publish = [&](const std::string&, const std::stop_token&) -> std::string {
    if (refusals-- > 0) throw Error(code, "refused");
    return "version 1";
  };
  Runner runner(context);
  const auto job = job_of(PublishStep{"shop"});
  const auto status = [&] { return runner.execute(bench.queue(job), job)->status; };
  EXPECT_EQ(status(), RunStatus::completed);
  refusals = 3;
  EXPECT_EQ(status(), RunStatus::failed);
  EXPECT_EQ(refusals, 0);
  refusals = 1;
  code = Code::read_only;
  EXPECT_EQ(status(), RunStatus::failed);
}

WORLD_TEST(Slots, AStepThatIsToldToStopWhileItCouldBeTriedAgainIsNoFailedStep) {
  Bench bench(runtime, files);
  bench.store().execute("create table item (id integer primary key)");
  const auto foreign = sql::open(runtime, files, base::Url::parse("sqlite:/shop.db"));
  auto connection = foreign->connect();
  auto writing = connection.begin();
  writing.execute("insert into item values (1)");
  const auto job = job_of(SqlStep{"insert.sql", "insert into item values (2)"});
  const auto id = bench.queue(job);
  std::stop_source stop;
  auto stopping = runtime.spawn("stops", [&](auto) {
    runtime.sleep_for(1s);
    stop.request_stop();
  });
  const auto result = *bench.runner().execute(id, job, stop.get_token());
  EXPECT_EQ(result.status, RunStatus::interrupted) << result.reason;
  EXPECT_EQ(bench.history().show(id).steps.at(0).status, "stopped");
  writing.commit();
  EXPECT_EQ(bench.runner().execute(id, job)->status, RunStatus::completed);
}

WORLD_TEST(Slots, WhoHasAStoppedRunInHandDoesNotExecuteItAndAnOperatorDoes) {
  Bench bench(runtime, files);
  const auto job = in_group(Overlap::wait);
  const auto id = bench.queue(job);
  EXPECT_TRUE(bench.request_stop(id));
  EXPECT_FALSE(bench.runner().execute(id, job));
  EXPECT_EQ(bench.history().find(id).status, RunStatus::stopped);
  EXPECT_EQ(bench.runner().resume(id, job)->status, RunStatus::completed);
  EXPECT_FALSE(bench.runner().resume(id, job));  // It is over.
}

WORLD_TEST(Slots, ARunThatIsStoppedJustBeforeItBeginsDoesNotBegin) {
  Bench bench(runtime, files);
  const auto job = in_group(Overlap::wait);
  const auto id = bench.queue(job);
  bench.state().observe(std::make_shared<testing::Before>(
      "set status = 'waiting'", [&] { EXPECT_TRUE(Bench(runtime, files).request_stop(id)); }));
  EXPECT_FALSE(bench.runner().execute(id, job));
  const auto run = bench.history().find(id);
  EXPECT_EQ(run.status, RunStatus::stopped);
  EXPECT_EQ(run.executions, 0);
  EXPECT_FALSE(run.held);
}

WORLD_TEST(Slots, ARunThatFailedWhereAnotherProcessTookItIsNotExecutedAgain) {
  Bench bench(runtime, files);
  auto job = job_of(SqlStep{"bad.sql", "select nothing"});
  const auto id = bench.queue(job);
  EXPECT_EQ(Bench(runtime, files).runner().execute(id, job)->status, RunStatus::failed);
  EXPECT_FALSE(bench.runner().execute(id, job));
  EXPECT_EQ(bench.history().find(id).executions, 1);
}

WORLD_TEST(Slots, ARunWhoseSlotIsTakenAwayCommitsNothingMore) {
  Bench bench(runtime, files);
  bench.store().execute("create table item (id integer primary key)");
  auto job = job_of(SqlStep{"insert.sql", "insert into item values (1)"});
  job.group = Group{"books", 1};
  auto context = bench.context();
  context.open_store = [&](const std::string&, const std::stop_token&) {
    EXPECT_TRUE(bench.locks().break_key(group_key("books"), runtime.in(1s)));
    runtime.sleep_for(10s);  // The keeper finds out.
    return bench.store_pointer();
  };
  Runner runner(context);
  const auto id = bench.queue(job);
  const auto result = *runner.execute(id, job);
  EXPECT_EQ(result.status, RunStatus::interrupted) << result.reason;
  EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from item"), 0);
  EXPECT_EQ(bench.runner().execute(id, job)->status, RunStatus::completed);
  EXPECT_EQ(bench.store().one<std::int64_t>("select count(*) from item"), 1);
}

WORLD_TEST(Slots, ARunWhoseProcessDiedIsFoundByItsLease) {
  const auto job = in_group(Overlap::wait);
  Bench(runtime, files).queue(job);
  auto& victim = world.process("victim");
  victim.start([&](world::Process& self) {
    Bench bench(self, self.files());
    auto context = bench.context();
    context.queued = [&](RunId, const std::string&) { self.sleep_for(1h); };
    Runner(context).execute(1, job);
  });
  runtime.sleep_for(3s);
  Bench bench(runtime, files);
  EXPECT_FALSE(bench.history().show(1).run.died);
  victim.crash();
  runtime.sleep_for(6s);
  EXPECT_TRUE(bench.history().show(1).run.died);
  const auto pending = bench.runs().pending(bench.locks(), runtime.in(1s));
  ASSERT_FALSE(pending.empty());
  EXPECT_EQ(pending[0].id, 1);
  EXPECT_EQ(bench.runner().execute(1, job)->status, RunStatus::completed);
  EXPECT_EQ(bench.state().one<std::int64_t>("select count(*) from tidelock_run where job = 'report'"), 1);
  EXPECT_THAT(bench.queued(), ElementsAre(2));  // Who died has told nobody who is still there.
}

// A process that is at run 1 for an hour, and is told by its lease to be there no more.
class DeadRun {
 public:
  DeadRun(world::World& world, const Job& job) : victim_(world.process("victim")) {
    Bench(world.runtime(), world.files()).queue(job);
    victim_.start([job](world::Process& self) {
      Bench bench(self, self.files());
      auto context = bench.context();
      context.queued = [&](RunId, const std::string&) { self.sleep_for(1h); };
      Runner(context).execute(1, job);
    });
    world.runtime().sleep_for(300ms);  // Before it looks whether it is to stop.
  }
  void die(base::Runtime& runtime) {
    victim_.crash();
    runtime.sleep_for(6s);
  }

 private:
  world::Process& victim_;
};

WORLD_TEST(Slots, ARunWhoseProcessDiedIsStoppedAtOnce) {
  const auto job = in_group(Overlap::wait);
  DeadRun dead(world, job);
  dead.die(runtime);
  Bench bench(runtime, files);
  EXPECT_TRUE(bench.request_stop(1));
  EXPECT_EQ(bench.history().find(1).status, RunStatus::stopped);
  EXPECT_THAT(bench.history().find(1).reason, HasSubstr("stopped after its process had died"));
  EXPECT_FALSE(bench.request_stop(1));
  EXPECT_FALSE(bench.runner().execute(1, job));
  EXPECT_EQ(bench.runner().resume(1, job)->status, RunStatus::completed);
}

WORLD_TEST(Slots, ARunWhoseProcessDiesBeforeItStopsAsToldIsStoppedByTheNext) {
  const auto job = in_group(Overlap::wait);
  DeadRun dead(world, job);
  Bench bench(runtime, files);
  EXPECT_TRUE(bench.request_stop(1));
  dead.die(runtime);
  const auto result = bench.runner().execute(1, job);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, RunStatus::stopped);
  EXPECT_EQ(result->reason, "stopped by an operator");
  EXPECT_EQ(bench.history().find(1).status, RunStatus::stopped);
  EXPECT_EQ(bench.runner().resume(1, job)->status, RunStatus::completed);
}

// Its lease ends while it is paused in a step. Another process goes on and completes the run, and then it wakes up.
WORLD_TEST(Slots, AnExecutionThatWasPausedPastItsLeaseLeavesTheStepsAsItsSuccessorWroteThem) {
  const auto job = in_group(Overlap::wait);
  Bench(runtime, files).queue(job);
  auto& paused = world.process("paused");
  std::optional<RunResult> late;
  paused.start([&](world::Process& self) {
    Bench bench(self, self.files());
    auto context = bench.context();
    context.queued = [&](RunId, const std::string&) { self.sleep_for(1s); };
    late = Runner(context).execute(1, job);
  });
  runtime.sleep_for(500ms);
  paused.pause();
  runtime.sleep_for(6s);
  Bench bench(runtime, files);
  EXPECT_EQ(bench.runner().execute(1, job)->status, RunStatus::completed);
  const auto before = bench.history().show(1);
  paused.resume();
  paused.wait_for_end();
  ASSERT_TRUE(late);
  EXPECT_NE(late->status, RunStatus::completed);
  const auto after = bench.history().show(1);
  EXPECT_EQ(after.run.status, RunStatus::completed);
  ASSERT_EQ(after.steps.size(), 1);
  EXPECT_EQ(after.steps[0].status, "completed");
  EXPECT_EQ(after.steps[0].ended, before.steps[0].ended);
  EXPECT_EQ(after.steps[0].error, "");
}

WORLD_TEST(Slots, AHardStopEndsTheWaitForAStateThatIsOutOfReach) {
  Bench bench(runtime, files);
  const auto foreign = sql::open(runtime, files, base::Url::parse("sqlite:/state.db"));
  auto connection = foreign->connect();
  std::optional<sql::Transaction> writing;
  std::stop_source hurry;
  auto context = bench.context();
  context.hurry = hurry.get_token();
  context.open_store = [&](const std::string&, const std::stop_token&) {
    writing.emplace(connection.begin());  // From here on nobody else can write.
    return bench.store_pointer();
  };
  base::Instant asked{};
  auto stopping = runtime.spawn("hurries", [&](auto) {
    runtime.sleep_for(2s);
    asked = runtime.now();
    hurry.request_stop();
  });
  const auto job = job_of(SqlStep{"nothing.sql", "select 1"});
  const auto id = bench.queue(job);
  EXPECT_THROW(Runner(context).execute(id, job), Error);  // Its end cannot be told either.
  EXPECT_LT(runtime.now() - asked, 5s);                   // What is said and given back at the end has a second each.
  writing.reset();
  EXPECT_EQ(bench.runner().execute(id, job)->status, RunStatus::completed);
}

TEST(Job, SaysAllThatIsWrongWithIt) {
  auto job = job_of(ChunkStep{.source = CsvSource{"/a.csv"},
                              .record = testing::record_of({"id integer"}, {"idd > 0"}),
                              .only = "id >",
                              .write = {.kind = Write::Kind::upsert, .table = "t", .key = {"no"}},
                              .chunk_rows = 0});
  job.store = "";
  job.steps[0].max_attempts = 0;
  job.steps.push_back({.name = "step", .what = TriggerStep{"job"}});
  std::vector<std::string> where;
  for (const auto& mistake : find_mistakes(job)) {
    where.push_back((mistake.step ? std::to_string(*mistake.step) + " " : "") + mistake.where);
  }
  EXPECT_THAT(where,
              ElementsAre("0 max_attempts", "0 store", "0 key", "0 chunk", "0 check", "0 only", "1 name", "1 trigger"));
  EXPECT_THAT(find_mistakes(job_of(SqlStep{"a.sql", "select 1"})), IsEmpty());
}

}  // namespace
}  // namespace tidelock::batch
#endif
