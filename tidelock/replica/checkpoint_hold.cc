#include "tidelock/replica/checkpoint_hold.h"

#include <chrono>

#include "tidelock/base/backoff.h"
#include "tidelock/base/error.h"

namespace tidelock::replica {
namespace {

using namespace std::chrono_literals;

constexpr auto kHeld = "1048576.0 GiB";  // No log grows to that.
constexpr auto kDefault = "15.2 MiB";    // As the engine prints its 16 MB.

bool is_refused_for_now(const Error& error) {
  return error.native() && error.native()->message.find("Cannot CHECKPOINT") != std::string::npos;
}

}  // namespace

CheckpointHold::CheckpointHold(sql::Database& owner, base::Duration patience, const std::stop_token& stop)
    : owner_(owner) {
  auto connection = owner.connect();
  const auto threshold = connection.one<std::string>("select current_setting('checkpoint_threshold')");
  connection.execute(std::string("set global checkpoint_threshold = '") + kHeld + "'");
  if (threshold != connection.one<std::string>("select current_setting('checkpoint_threshold')"))
    threshold_ = threshold;
  try {
    checkpoint(patience, stop);
  } catch (...) {
    release();
    throw;
  }
}

CheckpointHold::~CheckpointHold() { release(); }

void CheckpointHold::release() noexcept {
  if (threshold_.empty()) return;
  try {
    owner_.execute(threshold_ == kDefault ? "reset global checkpoint_threshold"
                                          : "set global checkpoint_threshold = '" + threshold_ + "'");
  } catch (const std::exception&) {  // The database was shut down by the engine, and its settings are gone with it.
  }
}

void CheckpointHold::checkpoint(base::Duration patience, const std::stop_token& stop) {
  auto& runtime = owner_.runtime();
  const auto deadline = runtime.in(patience);
  base::Backoff backoff({.base = 1ms, .cap = 100ms});
  for (;;) {
    std::string refusal;
    try {
      owner_.execute("checkpoint");
      return;
    } catch (const Error& error) {
      if (!is_refused_for_now(error)) throw;
      refusal = error.native()->message;
    }
    if (deadline.passed(runtime.now())) {
      throw Error(Code::timeout,
                  "a transaction that stays open keeps " + owner_.name() +
                      " from writing the checkpoint that a replica is made of",
                  {.code = 0, .message = refusal});
    }
    if (!runtime.sleep_for(backoff.next(runtime.random()), stop))
      throw Error(Code::cancelled, "publishing was stopped");
  }
}

}  // namespace tidelock::replica
