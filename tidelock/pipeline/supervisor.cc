#include "tidelock/pipeline/supervisor.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/batch/scheduler.h"
#include "tidelock/pipeline/engine.h"
#include "tidelock/pipeline/lease.h"
#include "tidelock/pipeline/places.h"
#include "tidelock/pipeline/replay_state.h"
#include "tidelock/pipeline/services.h"

namespace tidelock::pipeline {
namespace {

using namespace std::chrono_literals;
using base::LogLevel;

// The wall clock may be stepped: schedules are looked at again after this long.
constexpr base::Duration kLongestWait = 60s;
constexpr base::Duration kStatePause = 5s;
constexpr base::Duration kForgetEvery = 1h;
constexpr base::Duration kForgetMoreAfter = 1s;  // So much at a time that nobody waits for it.
// How far a run may lag behind the replay before the market waits for it.
constexpr base::Duration kReplayLag = 12h;

// For lines of progress, which come from many tasks: µs from the epoch.
using MarketTime = std::atomic<std::int64_t>;
constexpr std::int64_t kNoMarket = std::numeric_limits<std::int64_t>::min();

}  // namespace

// One call of run().
class Session {
 public:
  Session(const Pipeline& pipeline, const Surroundings& surroundings, const SupervisorOptions& options,
          MarketTime& market, const std::stop_token& drain)
      : pipeline_(pipeline),
        surroundings_(surroundings),
        options_(options),
        market_(market),
        engine_(pipeline, surroundings),
        processes_{surroundings.process_alive, !Places::file_of(pipeline.settings.state).empty()},
        lease_(engine_.locks(), engine_.runtime(), pipeline.settings.name, processes_, drain, stand_by()),
        replay_state_(engine_.database(), pipeline.settings.name, options.replay),
        clock_(options.replay ? MarketClock(engine_.runtime(), position(), options.replay->day)
                              : MarketClock(engine_.runtime())),
        scheduler_(pipeline.jobs, engine_.database(), scheduler_options()),
        services_(engine_.runtime(), surroundings.services, pipeline.services, surroundings.say) {
    if (options.standby) engine_.count_from_now();
    if (options.replay) show(position());
  }

  Summary run(const std::stop_token& drain, const std::stop_token& hurry) {
    const std::stop_callback on_drain(drain, [this] { stop_.request_stop(); });
    const std::stop_callback on_loss(lease_.lost_token(), [this] { stop_.request_stop(); });
    const std::stop_callback on_hurry(hurry, [this] { engine_.hurry(); });
    const auto stop = stop_.get_token();
    std::exception_ptr failure;
    try {
      while (!stop.stop_requested() && !complete_) {
        const auto seen = engine_.changed().count();
        const auto next = step_again();
        if (!complete_) engine_.changed().wait(seen, next, stop);
      }
    } catch (const Error&) {
      failure = std::current_exception();
    }
    if (!complete_) say(LogLevel::info, "stops: runs end after their chunk, then the services");
    engine_.lanes().stop();
    services_.stop(hurry);
    if (failure) std::rethrow_exception(failure);
    if (const auto lost = lease_.lost()) throw *lost;
    auto summary = engine_.summary();
    summary.service_restarts = services_.restarts();
    summary.days = days_;
    summary.complete = complete_;
    return summary;
  }

 private:
  PipelineLease::StandBy stand_by() {
    if (!options_.standby) return nullptr;
    return [this](const std::string& why) { say(LogLevel::info, "stands by: " + why); };
  }

  base::WallTime position() const { return replay_state_.position().value_or(options_.replay->begin); }

  batch::SchedulerOptions scheduler_options() const {
    batch::SchedulerOptions options;
    if (options_.replay) options.begin = options_.replay->begin;
    return options;
  }

  // A state that is full, locked or not yet on its new primary for a while does not end the pipeline.
  base::Deadline step_again() {
    std::string why;
    try {
      const auto next = step();
      said_.clear();
      return next;
    } catch (const Error& error) {
      if (!worth_waiting(error)) throw;
      why = error.what();
    }
    if (why != said_) say(LogLevel::error, "waits: the state: " + why);
    said_ = why;
    return engine_.runtime().in(kStatePause);
  }

  // Does what is due; returns when to look again.
  base::Deadline step() {
    if (!taken_over_) {
      free_leases_of_the_dead(engine_.locks(), engine_.runtime(), processes_);
      engine_.continue_runs();
      taken_over_ = true;
    }
    engine_.take_up_pending();
    if (forget_at_.passed(engine_.runtime().now())) {
      forget_at_ = engine_.runtime().in(engine_.forget_old_runs() ? kForgetMoreAfter : kForgetEvery);
    }
    auto next = std::min(engine_.next_look(), engine_.stores().close_idle());
    next = std::min({next, forget_at_, base::Deadline(engine_.runtime().in(kLongestWait))});
    if (!first_complete()) return next;
    if (!std::exchange(services_started_, true)) services_.start();
    return std::min(next, options_.replay ? replay() : real_time());
  }

  // Queues the runs that come before all others, until they are complete.
  bool first_complete() {
    if (first_complete_) return true;
    const auto unfinished = engine_.unfinished_first();
    if (!unfinished) return first_complete_ = true;
    if (unfinished->halted) {
      const auto& run = *unfinished->halted;
      const bool failed = run.status == batch::RunStatus::failed;
      const auto what =
          fmt::format("job {} comes before all others, and {}", run.job, failed ? "failed" : "was stopped");
      if (options_.replay) throw Error(Code::cancelled, fmt::format("{}: {}", what, run.reason));
      if (!std::exchange(said_first_halted_, true)) {
        say(LogLevel::error, fmt::format("waits: {}; {} `tidelock batch resume {}`", what,
                                         failed ? "mend it, then" : "continue it by", run.id));
      }
      return false;
    }
    decide(options_.replay ? position() : clock_.now());
    return false;
  }

  base::Deadline real_time() {
    decide(clock_.now());
    const auto next = scheduler_.next(clock_.now());
    return next ? base::Deadline(clock_.when(*next)) : base::Deadline::never();
  }

  // The moments are decided one by one, each at its own time: none is missed because the machine is slow.
  base::Deadline replay() {
    const auto end = options_.replay->end;
    for (;;) {
      const auto from = position();
      if (from >= end) {
        finish_when_idle();
        return base::Deadline::never();
      }
      const auto next = std::min(scheduler_.next(from).value_or(end), end);
      if (lags(next)) {
        clock_.stand(from);
        stands_ = true;
        return base::Deadline::never();
      }
      if (std::exchange(stands_, false)) clock_.go(from);
      const auto when = clock_.when(next);
      if (when > engine_.runtime().now()) return when;
      show(next);
      decide(next);
      replay_state_.save(next);
      note_day(from, next);  // After what may fail, and be done again.
    }
  }

  void show(base::WallTime market) { market_ = market.time_since_epoch().count(); }

  bool lags(base::WallTime next) {
    const auto oldest = engine_.lanes().oldest();
    return oldest && *oldest + kReplayLag < next;
  }

  void finish_when_idle() {
    if (!engine_.lanes().idle()) return;
    engine_.take_up_pending();  // What the last runs have triggered.
    complete_ = engine_.lanes().idle() && !engine_.has_unfinished();
  }

  void decide(base::WallTime moment) {
    for (const auto& due : scheduler_.decide(moment)) engine_.lanes().add(due.id, due.job, due.scheduled);
  }

  void note_day(base::WallTime from, base::WallTime to) {
    const auto& zone = pipeline_.settings.timezone;
    const auto day = local_date(from, zone);
    if (day == local_date(to, zone)) return;
    ++days_;
    const auto now = engine_.counts();
    surroundings_.say(
        {Progress::Kind::day, LogLevel::info, "",
         fmt::format(
             "{}: {} runs, {} rows written{}", day, now.runs - day_before_.runs,
             now.rows_written - day_before_.rows_written,
             now.failed > day_before_.failed ? fmt::format(", {} failed", now.failed - day_before_.failed) : "")});
    day_before_ = now;
  }

  void say(LogLevel level, std::string text) { surroundings_.say({Progress::Kind::note, level, "", std::move(text)}); }

  const Pipeline& pipeline_;
  const Surroundings& surroundings_;
  const SupervisorOptions& options_;
  MarketTime& market_;
  Engine engine_;
  const Processes processes_;
  PipelineLease lease_;
  ReplayState replay_state_;
  MarketClock clock_;
  batch::Scheduler scheduler_;
  Services services_;
  std::stop_source stop_;
  bool first_complete_ = false;
  bool said_first_halted_ = false;
  std::string said_;  // About the state.
  base::Deadline forget_at_ = base::Instant::min();
  bool taken_over_ = false;  // What processes that are no more have left is ours.
  bool services_started_ = false;
  bool stands_ = true;  // The market, in a replay.
  bool complete_ = false;
  std::uint64_t days_ = 0;
  JobSummary day_before_;
};

namespace {

// Until nothing is left of what was added, and of what it triggers.
Summary run_dry(Engine& engine, const std::stop_token& drain, const std::stop_token& hurry) {
  const std::stop_callback on_hurry(hurry, [&engine] { engine.hurry(); });
  while (!drain.stop_requested()) {
    const auto seen = engine.changed().count();
    const bool idle = engine.lanes().idle();  // First: what a run has queued by its end is found below.
    const bool more = engine.take_up_queued();
    const auto next = engine.look_at_others();
    if (idle && !more && next.is_never()) break;
    engine.changed().wait(seen, std::min(next, engine.stores().close_idle()), drain);
  }
  engine.lanes().stop();
  auto summary = engine.summary();
  summary.complete = !drain.stop_requested();
  return summary;
}

}  // namespace

struct Supervisor::State {
  const Pipeline& pipeline;
  Surroundings surroundings;
  SupervisorOptions options;
  MarketTime market{kNoMarket};
};

Supervisor::Supervisor(const Pipeline& pipeline, Surroundings surroundings, SupervisorOptions options)
    : state_(new State{pipeline, std::move(surroundings), std::move(options)}) {
  state_->surroundings.say = [say = state_->surroundings.say, &market = state_->market](Progress progress) {
    if (!say) return;
    const auto us = market.load();
    if (us != kNoMarket) progress.market = base::WallTime(std::chrono::microseconds(us));
    say(progress);
  };
}

Supervisor::~Supervisor() = default;

Summary Supervisor::run(const std::stop_token& drain, const std::stop_token& hurry) {
  std::unique_ptr<Session> session;
  for (std::string said; !session && !drain.stop_requested();) {
    std::string why;
    try {
      session =
          std::make_unique<Session>(state_->pipeline, state_->surroundings, state_->options, state_->market, drain);
      break;
    } catch (const Error& error) {
      if (error.code() == Code::cancelled && drain.stop_requested()) break;  // While it waited for its turn.
      // After a power cut the state's server may come later than those who stand by.
      if (!state_->options.standby || !worth_waiting(error)) throw;
      why = error.what();
    }
    if (why != said) {
      state_->surroundings.say(
          {Progress::Kind::note, LogLevel::info, "", fmt::format("stands by: the state: {}", why)});
    }
    said = why;
    state_->surroundings.toolkit.runtime().sleep_for(kStatePause, drain);
  }
  if (session) return session->run(drain, hurry);
  Summary nothing;
  nothing.pipeline = state_->pipeline.settings.name;
  return nothing;
}

Summary Supervisor::run_once(const std::string& name, const std::stop_token& drain, const std::stop_token& hurry) {
  const auto& pipeline = state_->pipeline;
  if (pipeline.job(name) == nullptr) {
    std::vector<std::string> known;
    for (const auto& job : pipeline.jobs) known.push_back(job.name);
    throw Error(Code::not_found,
                fmt::format("there is no job {}; there are {}", base::quoted(name), base::listed(known)));
  }
  Engine engine(pipeline, state_->surroundings);
  engine.follow_others();
  const auto scheduled = engine.runtime().wall_now();
  const auto run = engine.runs().queue({.job = name, .cause = batch::Cause::hand, .scheduled = scheduled});
  engine.lanes().add(*run, name, scheduled);
  return run_dry(engine, drain, hurry);
}

Summary Supervisor::resume(batch::RunId run, const std::stop_token& drain, const std::stop_token& hurry) {
  Engine engine(state_->pipeline, state_->surroundings);
  engine.follow_others();
  const auto known = batch::History(engine.database(), engine.locks()).find(run);
  if (is_over(known.status)) {
    throw Error(Code::already_exists,
                fmt::format("run {} of {} is {}: nothing is left to do", run, known.job, name(known.status)));
  }
  if (known.held) {
    const bool begun = known.status == batch::RunStatus::waiting || known.status == batch::RunStatus::running;
    throw Error(Code::already_exists,
                fmt::format("run {} of {} is executed by {}", run, known.job,
                            begun ? fmt::format("process {} on {}", known.pid, known.host) : "another process"));
  }
  if (!engine.lanes().resume(run, known.job, known.scheduled)) {
    throw Error(Code::not_found, fmt::format("run {} is one of {}, which the pipeline does not have any more", run,
                                             base::quoted(known.job)));
  }
  return run_dry(engine, drain, hurry);
}

}  // namespace tidelock::pipeline
