#include "tidelock/pipeline/lanes.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "tidelock/base/error.h"

namespace tidelock::pipeline {

Lanes::Lanes(batch::Runner& runner, std::span<const batch::Job> jobs, std::function<void(const Executed&)> executed,
             base::Signal& changed)
    : runner_(runner), runtime_(runner.context().runtime), executed_(std::move(executed)), changed_(changed) {
  for (const auto& job : jobs) {
    auto& lane = lanes_.emplace_back();
    lane.job = &job;
    lane.more = runtime_.make_signal("a run of " + job.name);
  }
  for (auto& lane : lanes_) {
    lane.task =
        runtime_.spawn("job " + lane.job->name, [this, &lane](const std::stop_token& stop) { work(lane, stop); });
  }
}

Lanes::~Lanes() {
  // The destructors of the tasks wait.
  for (auto& lane : lanes_) {
    if (lane.task.joinable()) lane.task.request_stop();
  }
}

bool Lanes::put(std::string_view job, const Item& item) {
  forget_ended_asides();
  const batch::Job* aside = nullptr;
  {
    const base::LocalGuard guard(mutex_);
    const auto is_it = [&](const Item& each) { return each.run == item.run; };
    const auto lane =
        std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& each) { return each.job->name == job; });
    if (lane == lanes_.end() || std::any_of(lane->queue.begin(), lane->queue.end(), is_it) ||
        std::any_of(asides_.begin(), asides_.end(), [&](const Aside& each) { return is_it(each.item); })) {
      return false;
    }
    const bool exclusive = !lane->job->group || lane->job->group->slots == 1;
    if (!lane->queue.empty() && exclusive && lane->job->overlap == batch::Overlap::skip) {
      aside = lane->job;
    } else {
      lane->queue.push_back(item);
      lane->more->notify_all();
    }
  }
  if (aside != nullptr) add_aside(*aside, item);
  return true;
}

void Lanes::add_aside(const batch::Job& job, const Item& item) {
  Aside* aside = nullptr;
  {
    const base::LocalGuard guard(mutex_);
    aside = &asides_.emplace_back(Aside{item, &job});
  }
  // Only the task that adds looks at `task`.
  aside->task = runtime_.spawn("job " + job.name, [this, aside](const std::stop_token& stop) {
    execute(*aside->job, aside->item, stop);
    {
      const base::LocalGuard guard(mutex_);
      aside->over = true;
    }
    changed_.notify_all();
  });
}

void Lanes::forget_ended_asides() {
  std::list<Aside> ended;
  const base::LocalGuard guard(mutex_);
  for (auto each = asides_.begin(); each != asides_.end();) {
    const auto next = std::next(each);
    if (each->over && each->task.joinable()) ended.splice(ended.end(), asides_, each);
    each = next;
  }
}

void Lanes::work(Lane& lane, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto seen = lane.more->count();
    std::optional<Item> next;
    {
      const base::LocalGuard guard(mutex_);
      if (!lane.queue.empty()) next = lane.queue.front();
    }
    if (!next) {
      lane.more->wait(seen, base::Deadline::never(), stop);
      continue;
    }
    execute(*lane.job, *next, stop);
    {
      const base::LocalGuard guard(mutex_);
      lane.queue.pop_front();
    }
    changed_.notify_all();
  }
}

void Lanes::execute(const batch::Job& job, const Item& item, const std::stop_token& stop) {
  Executed executed{item.run, job, item.scheduled, {}, {}, {}};
  const auto began = runtime_.now();
  try {
    executed.result = item.by_operator ? runner_.resume(item.run, job, stop) : runner_.execute(item.run, job, stop);
  } catch (const Error& error) {
    executed.error = error;
  }
  executed.took = runtime_.now() - began;
  executed_(executed);
}

void Lanes::stop() {
  std::vector<base::Task> tasks;
  {
    const base::LocalGuard guard(mutex_);
    for (auto& lane : lanes_) tasks.push_back(std::move(lane.task));
    for (auto& aside : asides_) tasks.push_back(std::move(aside.task));
  }
  for (auto& task : tasks) {
    if (task.joinable()) task.request_stop();
  }
  for (auto& task : tasks) {
    if (task.joinable()) task.join();
  }
}

bool Lanes::idle() const { return !oldest(); }

std::optional<base::WallTime> Lanes::oldest() const {
  const base::LocalGuard guard(mutex_);
  std::optional<base::WallTime> oldest;
  const auto look = [&](const Item& item) { oldest = oldest ? std::min(*oldest, item.scheduled) : item.scheduled; };
  for (const auto& lane : lanes_) std::for_each(lane.queue.begin(), lane.queue.end(), look);
  for (const auto& aside : asides_) {
    if (!aside.over) look(aside.item);
  }
  return oldest;
}

bool Lanes::has(std::string_view job) const {
  const base::LocalGuard guard(mutex_);
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const Lane& lane) { return lane.job->name == job && !lane.queue.empty(); });
}

}  // namespace tidelock::pipeline
