#include "tidelock/pipeline/services.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"

namespace tidelock::pipeline {
namespace {

using namespace std::chrono_literals;

bool wants_restart(Service::Restart restart, const std::optional<base::ExitStatus>& ended) {
  switch (restart) {
    case Service::Restart::always:
      return true;
    case Service::Restart::on_failure:
      return !ended || !ended->ok();
    case Service::Restart::never:
      return false;
  }
  return false;
}

std::string rounded(base::Duration duration) {
  return base::format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(duration));
}

}  // namespace

Services::Services(base::Runtime& runtime, ServiceHost& host, std::span<const Service> services, Say say)
    : runtime_(runtime),
      host_(host),
      services_(services),
      say_(std::move(say)),
      next_(runtime.make_signal("the turn of the next service")) {}

Services::~Services() {
  while (!running_.empty()) running_.pop_back();  // Not stop(): a destructor does not throw, and a Task's waits too.
}

void Services::start() {
  for (std::size_t place = 0; place < services_.size(); ++place) {
    running_.push_back(runtime_.spawn("service " + services_[place].name,
                                      [this, place](const std::stop_token& stop) { keep(place, stop); }));
  }
}

void Services::stop(const std::stop_token& hurry) {
  const std::stop_callback pass_on(hurry, [this] { hurry_.request_stop(); });
  for (; !running_.empty(); running_.pop_back()) {
    running_.back().request_stop();
    running_.back().join();
  }
}

bool Services::await_turn(std::size_t place, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto seen = next_->count();
    if (may_start_.load() >= place) return true;
    next_->wait(seen, base::Deadline::never(), stop);
  }
  return false;
}

void Services::pass_turn_on(std::size_t place) {
  auto mine = place;
  if (may_start_.compare_exchange_strong(mine, place + 1)) next_->notify_all();
}

void Services::keep(std::size_t place, const std::stop_token& stop) {
  const auto& service = services_[place];
  if (!await_turn(place, stop)) return;
  base::Backoff backoff(service.backoff);
  while (!stop.stop_requested()) {
    const auto began = runtime_.now();
    const auto ended = run_once(place, stop);
    pass_turn_on(place);
    if (stop.stop_requested()) return;
    if (!wants_restart(service.restart, ended)) return;
    if (runtime_.now() - began >= kSettled) backoff.reset();
    const auto pause = backoff.next(runtime_.random());
    note(service, base::LogLevel::info, fmt::format("starts again in {}", rounded(pause)));
    if (!runtime_.sleep_for(pause, stop)) return;
    restarts_.fetch_add(1);
  }
}

std::optional<base::ExitStatus> Services::run_once(std::size_t place, const std::stop_token& stop) {
  const auto& service = services_[place];
  try {
    const auto running = host_.start(service, [this, &service](std::string_view line) {
      say_({Progress::Kind::output, base::LogLevel::info, service.name, std::string(line)});
    });
    note(service, base::LogLevel::info, fmt::format("runs as process {}", running->pid()));
    pass_turn_on(place);
    if (const auto ended = running->wait(base::Deadline::never(), stop)) {
      note(service, ended->ok() ? base::LogLevel::info : base::LogLevel::warning, "ended: " + ended->to_string());
      return ended;
    }
    running->end();
    // The host sees to the stop_timeout; a little more for its own work.
    const auto ended = running->wait(runtime_.in(service.stop_timeout + 5s), hurry_.get_token());
    note(service, base::LogLevel::info, ended ? "stopped: " + ended->to_string() : "is ended at once");
  } catch (const Error& error) {
    note(service, base::LogLevel::error, error.what());
  }
  return std::nullopt;
}

void Services::note(const Service& service, base::LogLevel level, std::string text) const {
  say_({Progress::Kind::note, level, service.name, std::move(text)});
}

}  // namespace tidelock::pipeline
