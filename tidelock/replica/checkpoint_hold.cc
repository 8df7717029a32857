#include "tidelock/replica/checkpoint_hold.h"

#include <chrono>
#include <utility>

#include "tidelock/base/error.h"

namespace tidelock::replica {
namespace {

using namespace std::chrono_literals;

constexpr auto kSetting = "checkpoint_threshold";
constexpr auto kHold = "511.75 TiB";  // No log grows to that, and nobody else asks for it.
constexpr auto kHeld = "511.7 TiB";   // The same, as the engine prints it.
constexpr base::BackoffOptions kBackoff{.base = 1ms, .cap = 100ms};

// The engine prints "15.2 MiB" for anything from there to 15.3 and takes such text for a value. The middle of it, so
// that it does not creep downwards from publication to publication.
std::string as_printed_again(const std::string& size) {
  const auto space = size.find(' ');
  if (space == size.npos || size.find('.') == size.npos) return size;
  return size.substr(0, space) + "5" + size.substr(space);
}

bool is_refused_for_now(const Error& error) {
  return error.native() && error.native()->message.find("Cannot CHECKPOINT") != std::string::npos;
}

}  // namespace

void CheckpointHold::take(const std::stop_token& stop) {
  const auto deadline = owner_.runtime().in(patience_);
  set_aside(deadline, stop);
  try {
    checkpoint(deadline, stop);
  } catch (...) {
    release();
    throw;
  }
  if (owner_.options().max_connections == 1) connection_.reset();  // Others go on with it.
}

// Not current_setting(): a statement that was prepared before keeps the value of then.
void CheckpointHold::set_aside(base::Deadline deadline, const std::stop_token& stop) {
  base::Backoff backoff(kBackoff);
  for (;;) {
    {
      auto connection = owner_.connect(deadline, stop);
      const auto before = connection.one<std::string>("select value from duckdb_settings() where name = ?", kSetting);
      if (before != kHeld) {
        connection.execute(std::string("set global checkpoint_threshold = '") + kHold + "'");
        threshold_ = before;
        connection_.emplace(std::move(connection));
        return;
      }
    }
    if (deadline.passed(owner_.runtime().now())) {
      throw Error(Code::timeout, "another replica of " + owner_.name() + " is being made and was not done in time");
    }
    wait(backoff, stop);
  }
}

void CheckpointHold::release() noexcept {
  if (threshold_.empty()) return;
  try {
    if (!connection_) connection_.emplace(owner_.connect(base::Deadline::never()));
    connection_->execute("set global checkpoint_threshold = '" + as_printed_again(threshold_) + "'");
  } catch (const std::exception&) {  // The database was shut down by the engine, and its settings are gone with it.
  }
  connection_.reset();
  threshold_.clear();
}

void CheckpointHold::checkpoint(base::Deadline deadline, const std::stop_token& stop) {
  base::Backoff backoff(kBackoff);
  for (;;) {
    std::string refusal;
    try {
      connection_->execute("checkpoint");
      return;
    } catch (const Error& error) {
      if (!is_refused_for_now(error)) throw;
      refusal = error.native()->message;
    }
    if (deadline.passed(owner_.runtime().now())) {
      throw Error(Code::timeout,
                  "a transaction that stays open keeps " + owner_.name() +
                      " from writing the checkpoint that a replica is made of",
                  {.code = 0, .message = refusal});
    }
    wait(backoff, stop);
  }
}

void CheckpointHold::wait(base::Backoff& backoff, const std::stop_token& stop) {
  auto& runtime = owner_.runtime();
  if (!runtime.sleep_for(backoff.next(runtime.random()), stop)) throw Error(Code::cancelled, "publishing was stopped");
}

}  // namespace tidelock::replica
