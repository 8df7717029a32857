#include "tidelock/sql/backends/duckdb/interrupter.h"

namespace tidelock::sql::duckdb {

Watchdog::Watchdog(base::Runtime& runtime)
    : runtime_(runtime), earlier_(runtime.make_signal("an earlier deadline of a DuckDB statement")) {}

Watchdog::~Watchdog() {
  task_.request_stop();
  earlier_->notify_all();
}

void Watchdog::watch(Interrupter& interrupter, base::Instant deadline) {
  bool start = false;
  bool wake = false;
  {
    const base::LocalGuard guard(mutex_);
    watched_.emplace(deadline, &interrupter);
    start = !started_;
    started_ = true;
    wake = deadline < sleeps_until_;
  }
  if (start) {
    try {
      task_ = runtime_.spawn("duckdb deadlines", [this](const std::stop_token& stop) { run(stop); });
    } catch (...) {  // The next one tries again.
      forget(interrupter, deadline);
      const base::LocalGuard guard(mutex_);
      started_ = false;
      throw;
    }
  } else if (wake) {
    earlier_->notify_all();
  }
}

void Watchdog::forget(Interrupter& interrupter, base::Instant deadline) {
  const base::LocalGuard guard(mutex_);
  const auto [begin, end] = watched_.equal_range(deadline);
  for (auto i = begin; i != end; ++i) {
    if (i->second != &interrupter) continue;
    watched_.erase(i);
    return;
  }
}

void Watchdog::run(const std::stop_token& stop) {
  runtime_.context().reset();  // It serves every statement, not the unit of work that happened to start it.
  while (!stop.stop_requested()) {
    const auto seen = earlier_->count();
    const auto next = interrupt_due();
    earlier_->wait(seen, next, stop);
  }
}

base::Deadline Watchdog::interrupt_due() {
  const auto now = runtime_.now();
  const base::LocalGuard guard(mutex_);
  while (!watched_.empty() && watched_.begin()->first <= now) {
    watched_.begin()->second->interrupt(Interrupter::Reason::timed_out);
    watched_.erase(watched_.begin());
  }
  sleeps_until_ = watched_.empty() ? base::Instant::max() : watched_.begin()->first;
  return sleeps_until_;
}

void Interrupter::begin(base::Deadline deadline) {
  {
    const base::LocalGuard guard(mutex_);
    running_ = true;
    reason_.store(Reason::none, std::memory_order_release);
  }
  // Who requested the stop before interrupts after: one of the two sees the other.
  if (stop_.stop_requested()) interrupt(Reason::cancelled);
  deadline_ = deadline;
  if (!deadline.is_never()) watchdog_.watch(*this, deadline.at());
}

void Interrupter::end() {
  if (!deadline_.is_never()) watchdog_.forget(*this, deadline_.at());
  const base::LocalGuard guard(mutex_);
  running_ = false;
}

void Interrupter::interrupt(Reason reason) noexcept {
  const base::LocalGuard guard(mutex_);
  if (!running_ || this->reason() != Reason::none) return;
  reason_.store(reason, std::memory_order_release);
  if (!held_) api_.interrupt(connection_);
}

void Interrupter::set_held(bool held) {
  const base::LocalGuard guard(mutex_);
  held_ = held;
}

Interrupter::Reason Interrupter::look() {
  if (!deadline_.is_never() && deadline_.passed(runtime_.now())) interrupt(Reason::timed_out);
  return reason();
}

}  // namespace tidelock::sql::duckdb
