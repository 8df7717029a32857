#include "tidelock/lock/conformance/live_clock.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include "tidelock/base/uuid.h"

namespace tidelock::lock::conformance {
namespace {

using namespace std::chrono_literals;

thread_local bool listening_thread = false;

}  // namespace

LiveClock::LiveClock(std::function<void(base::Duration)> moved, base::Duration settle)
    : moved_(std::move(moved)), settle_(settle) {}

base::Instant LiveClock::now() const {
  const std::lock_guard guard(mutex_);
  return now_;
}

void LiveClock::wake_locked(Wait& wait) {
  if (std::exchange(wait.woken, true)) return;
  ++changes_;
  if (wait.begun && wait.counts) ++working_;
  changed_.notify_all();
}

void LiveClock::wake(Wait& wait) {
  const std::lock_guard guard(mutex_);
  wake_locked(wait);
}

void LiveClock::wait(Wait& wait) {
  std::unique_lock lock(mutex_);
  if (wait.woken) return;  // Woken between looking and waiting: it works on.
  if (wait.until <= now_) {
    wait.woken = true;
    return;
  }
  const auto place = waits_.insert(waits_.end(), &wait);
  wait.begun = true;
  ++changes_;
  if (wait.counts) --working_;
  while (!wait.woken) {
    if (working_ != 0) {
      changed_.wait(lock);
      continue;
    }
    const auto seen = changes_;
    if (settle_ > 0ns) changed_.wait_for(lock, settle_);
    if (working_ == 0 && changes_ == seen && !wait.woken) jump(lock);
  }
  waits_.erase(place);
}

// To the next moment that somebody waits for.
void LiveClock::jump(std::unique_lock<std::mutex>& lock) {
  auto next = base::Instant::max();
  for (const auto* wait : waits_) {
    if (!wait->woken) next = std::min(next, wait->until);
  }
  if (next == base::Instant::max()) {  // Only somebody outside can wake anybody.
    changed_.wait_for(lock, 1s);
    return;
  }
  moved_(next - now_);
  now_ = next;
  for (auto* wait : waits_) {
    if (wait->until <= now_) wake_locked(*wait);
  }
}

void LiveClock::begin_thread() {
  const std::lock_guard guard(mutex_);
  ++working_;
  ++changes_;
}

void LiveClock::end_thread() {
  const std::lock_guard guard(mutex_);
  --working_;
  ++changes_;
  changed_.notify_all();
}

// --- Its processes ------------------------------------------------------------------------------------------------

class LiveProcess::Signal final : public base::Signal {
 public:
  explicit Signal(LiveClock& clock) : clock_(clock) {}

  std::uint64_t count() const override { return count_; }
  void notify_all() override {
    const std::lock_guard guard(mutex_);
    ++count_;
    for (auto* wait : waits_) clock_.wake(*wait);
  }
  bool wait(std::uint64_t seen, base::Deadline deadline) override {
    LiveClock::Wait wait{.until = deadline.at(), .counts = !listening_thread};
    {
      const std::lock_guard guard(mutex_);
      if (count_ != seen) return true;
      waits_.push_back(&wait);
    }
    clock_.wait(wait);
    const std::lock_guard guard(mutex_);
    std::erase(waits_, &wait);
    return count_ != seen;
  }
  using base::Signal::wait;

 private:
  LiveClock& clock_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> count_ = 0;
  std::list<LiveClock::Wait*> waits_;
};

// Who joins it works again before it has stopped working: no time passes between.
class LiveProcess::Body final : public base::Task::Body {
 public:
  Body(std::shared_ptr<Signal> ended, base::Task task) : ended_(std::move(ended)), task_(std::move(task)) {}
  void request_stop() override { task_.request_stop(); }
  std::exception_ptr join() override {
    ended_->wait(0, base::Deadline::never());
    try {
      task_.join();
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }
  void abandon(std::exception_ptr error) noexcept override { std::rethrow_exception(std::move(error)); }

 private:
  const std::shared_ptr<Signal> ended_;
  base::Task task_;
};

LiveProcess::LiveProcess(LiveClock& clock, std::string host, base::WallTime wall, std::string listens)
    : clock_(clock), listens_(std::move(listens)), identity_(inner_.identity()), wall_(wall) {
  identity_.owner = base::uuid_v7(inner_).to_string();
  identity_.host = std::move(host);
}

base::WallTime LiveProcess::wall_now() {
  return wall_ + std::chrono::duration_cast<std::chrono::microseconds>(now() - LiveClock::kBegin);
}

bool LiveProcess::sleep_until(base::Instant moment, const std::stop_token& stop) {
  if (stop.stop_requested()) return false;
  Signal signal(clock_);
  static_cast<base::Signal&>(signal).wait(0, base::Deadline(moment), stop);
  return !stop.stop_requested();
}

std::unique_ptr<base::Signal> LiveProcess::make_signal(std::string_view) { return std::make_unique<Signal>(clock_); }

base::Task LiveProcess::spawn(std::string name, std::function<void(std::stop_token)> body) {
  const bool listens = name == listens_;
  const auto ended = std::make_shared<Signal>(clock_);
  if (!listens) clock_.begin_thread();
  auto task =
      inner_.spawn(std::move(name), [this, ended, listens, body = std::move(body)](const std::stop_token& stop) {
        listening_thread = listens;
        std::exception_ptr error;
        try {
          body(stop);
        } catch (...) {
          error = std::current_exception();
        }
        ended->notify_all();
        if (!listens) clock_.end_thread();
        if (error) std::rethrow_exception(error);
      });
  return base::Task(std::make_unique<Body>(ended, std::move(task)));
}

}  // namespace tidelock::lock::conformance
