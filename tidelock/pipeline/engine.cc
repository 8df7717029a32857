#include "tidelock/pipeline/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/retry.h"
#include "tidelock/base/url.h"
#include "tidelock/batch/durable.h"
#include "tidelock/batch/run_record.h"
#include "tidelock/pipeline/places.h"

namespace tidelock::pipeline {
namespace {

using namespace std::chrono_literals;
using base::LogLevel;

constexpr base::Duration kLook = 5s;  // For runs that other processes left.
constexpr base::Duration kPatience = 10s;
constexpr base::Duration kLookAtOthers = 500ms;

std::shared_ptr<lock::Backend> open_locks(const Pipeline& pipeline, Toolkit& toolkit) {
  toolkit.files().create_folders(pipeline.settings.work);
  const auto file = Places::file_of(pipeline.settings.state);
  if (!file.empty()) toolkit.files().create_folders(file.parent_path());
  return toolkit.lock_backend(pipeline.settings.state);
}

std::string rounded(base::Duration duration) {
  return base::format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(duration));
}

}  // namespace

Engine::Engine(const Pipeline& pipeline, const Surroundings& surroundings)
    : pipeline_(pipeline),
      surroundings_(surroundings),
      runtime_(surroundings.toolkit.runtime()),
      began_(runtime_.now()),
      began_at_(runtime_.wall_now()),
      changed_(runtime_.make_signal("something to happen in the pipeline")),
      next_look_(began_),
      locks_(open_locks(pipeline, surroundings.toolkit)),
      database_(surroundings.toolkit.database(batch::durable(base::Url::parse(pipeline.settings.state)),
                                              {.primary_only = true})),
      spy_(make_spy()),
      stores_(surroundings.toolkit, pipeline.stores, surroundings.say, *changed_, spy_),
      runner_(context()),
      history_(*database_, *locks_),
      lanes_(std::make_unique<Lanes>(
          runner_, pipeline.jobs, [this](const Executed& each) { executed(each); }, *changed_)) {}

Engine::~Engine() = default;

void Engine::count_from_now() {
  began_ = runtime_.now();
  began_at_ = runtime_.wall_now();
}

std::shared_ptr<sql::spy::Spy> Engine::make_spy() {
  if (!pipeline_.spy) return nullptr;
  auto options = pipeline_.spy->options;
  options.say = [this](LogLevel level, const std::string& text) { note(Progress::Kind::note, level, "", text); };
  for (const auto& each : pipeline_.spy->notes) note(Progress::Kind::note, LogLevel::warning, "", "spy: " + each);
  return std::make_shared<sql::spy::Spy>(runtime_, surroundings_.toolkit.files(), std::move(options));
}

batch::Context Engine::context() {
  batch::Context context{.runtime = runtime_,
                         .files = surroundings_.toolkit.files(),
                         .state = *database_,
                         .locks = *locks_,
                         .zone = pipeline_.settings.timezone};
  context.open_store = [this](const std::string& store, const std::stop_token& stop) {
    return stores_.open(store, stop);
  };
  context.publish = [this](const std::string& replica, const std::stop_token& stop) { return publish(replica, stop); };
  context.queued = [this](batch::RunId run, const std::string& job) {
    {
      const base::LocalGuard guard(mutex_);
      queued_.push_back({run, job});
    }
    changed_->notify_all();
  };
  context.hurry = hurry_.get_token();
  context.progress = [this](const batch::Progress& progress) {
    note(progress.level >= LogLevel::warning ? Progress::Kind::note : Progress::Kind::detail, progress.level,
         progress.job, progress.step.empty() ? progress.text : progress.step + ": " + progress.text);
  };
  return context;
}

std::string Engine::publish(const std::string& name, const std::stop_token& stop) {
  const auto* replica = pipeline_.replica(name);
  if (replica == nullptr) throw Error(Code::not_found, fmt::format("there is no replica {}", name));
  const auto owner = stores_.open(replica->store, stop);
  auto said = surroundings_.publish(*replica, *owner, stop);
  counting_.count_publication();
  return said;
}

std::vector<Engine::Queued> Engine::take_queued() {
  const base::LocalGuard guard(mutex_);
  return std::exchange(queued_, {});
}

bool Engine::take_up_queued() {
  bool any = false;
  for (const auto& [run, job] : take_queued()) any = lanes_->add(run, job, runtime_.wall_now()) || any;
  return any;
}

void Engine::follow_others() {
  const base::LocalGuard guard(mutex_);
  follows_others_ = true;
}

base::Deadline Engine::look_at_others() {
  std::map<batch::RunId, base::Instant> others;
  {
    const base::LocalGuard guard(mutex_);
    others = others_;
  }
  bool any_left = false;
  for (const auto& [id, since] : others) {
    const auto run = base::retry(runtime_, batch::kStatePatience, {}, [&, id = id] { return history_.find(id); });
    if (run.held) {
      any_left = true;
      continue;
    }
    {
      const base::LocalGuard guard(mutex_);
      others_.erase(id);
    }
    if (!is_over(run.status) && !waits_for_operator(run.status)) {
      any_left = lanes_->add(id, run.job, run.scheduled) || any_left;
      continue;
    }
    batch::RunResult result;
    result.status = run.status;
    result.reason = run.reason;
    result.rows_read = run.rows_read;
    result.rows_written = run.rows_written;
    result.rows_skipped = run.rows_skipped;
    result.rows_passed_over = run.rows_passed_over;
    report({id, *pipeline_.job(run.job), run.scheduled, std::move(result), {}, runtime_.now() - since});
  }
  return any_left ? base::Deadline(runtime_.in(kLookAtOthers)) : base::Deadline::never();
}

bool Engine::has_unfinished() {
  using enum batch::RunStatus;
  for (const auto status : {queued, waiting, running, interrupted}) {
    for (const auto& job : pipeline_.jobs) {
      if (!history_.list({.job = job.name, .status = status, .limit = 1}).empty()) return true;
    }
  }
  return false;
}

void Engine::take_up_pending() {
  if (take_queued().empty() && !next_look_.passed(runtime_.now())) return;
  next_look_ = runtime_.in(kLook);
  for (const auto& run : runner_.runs().pending(*locks_, runtime_.in(kPatience))) {
    lanes_->add(run.id, run.job, run.scheduled);
  }
}

std::optional<Engine::Unfinished> Engine::unfinished_first() {
  for (const auto& job : pipeline_.jobs) {
    if (!job.first) continue;
    const bool at_work = lanes_->has(job.name);  // Looked at first: what it does until it is idle is seen then.
    const auto runs = history_.list({.job = job.name, .cause = batch::Cause::first, .limit = 1});
    if (!runs.empty() && runs.front().status == batch::RunStatus::completed) continue;
    if (runs.empty() || at_work || !waits_for_operator(runs.front().status)) return Unfinished{&job, std::nullopt};
    return Unfinished{&job, runs.front()};
  }
  return std::nullopt;
}

void Engine::continue_runs() {
  const auto pending = runner_.runs().pending(*locks_, runtime_.in(kPatience));
  const auto unfinished = unfinished_first();  // All is read before anything is queued: this may be tried again.
  for (const auto& run : pending) {
    if (pipeline_.job(run.job) == nullptr) continue;
    note(Progress::Kind::note, LogLevel::info, run.job,
         fmt::format("run {}, which was {}, is continued", run.id, name(run.status)));
    lanes_->add(run.id, run.job, run.scheduled);
  }
  if (!unfinished || !unfinished->halted || unfinished->halted->status != batch::RunStatus::failed) return;
  const auto& run = *unfinished->halted;
  note(Progress::Kind::note, LogLevel::info, run.job, fmt::format("run {}, which failed, is continued", run.id));
  lanes_->resume(run.id, run.job, run.scheduled);
}

bool Engine::forget_old_runs() {
  const auto before = runtime_.wall_now() - std::chrono::ceil<std::chrono::microseconds>(pipeline_.settings.keep_runs);
  bool more = false;
  for (const auto& job : pipeline_.jobs) {
    more = runner_.runs().forget(job.name, before) == batch::Runs::kForgetMost || more;
  }
  return more;
}

void Engine::executed(const Executed& executed) {
  if (executed.result || executed.error) return report(executed);
  counting_.count(executed);
  {
    const base::LocalGuard guard(mutex_);
    if (!follows_others_ || !others_.try_emplace(executed.run, runtime_.now()).second) return;
  }
  note(Progress::Kind::note, LogLevel::info, executed.job.name,
       fmt::format("run {} was taken up by another process, and is waited for", executed.run));
}

void Engine::report(const Executed& executed) {
  counting_.count(executed);
  const auto& job = executed.job.name;
  if (executed.error) {
    note(Progress::Kind::note, LogLevel::error, job,
         fmt::format("run {} could not be executed: {}", executed.run, executed.error->what()));
    return;
  }
  const auto& result = *executed.result;
  const auto status = name(result.status);
  if (result.status == batch::RunStatus::failed) {
    note(Progress::Kind::note, LogLevel::error, job,
         fmt::format("run {} failed in {}: {}{}", executed.run, rounded(executed.took),
                     result.step.empty() ? "" : fmt::format("step {}: ", result.step), result.reason));
    return;
  }
  auto text = fmt::format("run {} {} in {}", executed.run, status, rounded(executed.took));
  if (!result.reason.empty()) text += ": " + result.reason;
  if (result.rows_read > 0) text += fmt::format(", {} rows read, {} written", result.rows_read, result.rows_written);
  if (result.rows_skipped > 0) text += fmt::format(", {} bad", result.rows_skipped);
  const bool usual = result.status == batch::RunStatus::completed && !executed.job.first;
  note(usual ? Progress::Kind::detail : Progress::Kind::note, LogLevel::info, job, std::move(text));
}

void Engine::note(Progress::Kind kind, LogLevel level, const std::string& about, std::string text) {
  if (surroundings_.say) surroundings_.say({kind, level, about, std::move(text)});
}

Summary Engine::summary() {
  auto summary = counting_.at_end();
  const auto recent = history_.since(began_at_);
  summary.pipeline = pipeline_.settings.name;
  summary.missed = recent.missed;
  summary.group_waits = recent.slot_waits;
  summary.took = runtime_.now() - began_;
  return summary;
}

}  // namespace tidelock::pipeline
