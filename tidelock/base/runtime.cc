#include "tidelock/base/runtime.h"

#include <exception>
#include <utility>

namespace tidelock::base {

bool Signal::wait(std::uint64_t seen, Deadline deadline, const std::stop_token& stop) {
  if (stop.stop_requested()) return true;
  if (!stop.stop_possible()) return wait(seen, deadline);
  std::stop_callback wake(stop, [this] { notify_all(); });
  return wait(seen, deadline);
}

Task::Task(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Task::Task(Task&&) noexcept = default;

Task& Task::operator=(Task&& other) noexcept {
  if (this != &other) {
    finish();
    body_ = std::move(other.body_);
  }
  return *this;
}

Task::~Task() { finish(); }

void Task::request_stop() {
  if (body_) body_->request_stop();
}

void Task::join() {
  if (!body_) return;
  const auto body = std::move(body_);
  if (auto error = body->join()) std::rethrow_exception(error);
}

void Task::finish() noexcept {
  if (!body_) return;
  const auto body = std::move(body_);
  body->request_stop();
  if (auto error = body->join()) body->abandon(error);
}

}  // namespace tidelock::base
