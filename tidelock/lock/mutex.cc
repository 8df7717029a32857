#include "tidelock/lock/mutex.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include "tidelock/base/backoff.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/retry.h"
#include "tidelock/base/text.h"
#include "tidelock/lock/graph.h"
#include "tidelock/lock/key.h"
#include "tidelock/lock/owner.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;
using Queue = Backend::Queue;

constexpr base::Duration kFarewell = 1s;  // For undoing a claim when its own deadline has passed.
constexpr base::Duration kDeadlockCheckFirst = 250ms;
constexpr base::Duration kDeadlockCheckMax = 4s;
constexpr base::BackoffOptions kRetry = {.base = 10ms, .factor = 2, .cap = 500ms, .jitter = base::Jitter::equal};
constexpr std::chrono::milliseconds kTtlMost = 365 * 24h;  // Beyond it, sums of moments would overflow some day.
constexpr int kRefreshes = 3;                              // Of a place in the queue: two may fail before it expires.

// Also of a length that no Duration has.
std::string in_words(std::chrono::milliseconds length) {
  if (length < -kTtlMost || length > kTtlMost) return fmt::format("{}ms", length.count());
  return base::format_duration(length);
}

void check_options(std::string_view key, std::uint32_t permits, const LeaseOptions& options) {
  check_key("lock key", key);
  const auto refuse = [&](const std::string& why) {
    throw Error(Code::invalid_argument, fmt::format("lock {}: {}", base::quoted(key), why));
  };
  if (permits == 0) refuse("permits must be at least 1");
  if (options.ttl <= 0ms || options.ttl > kTtlMost) {
    refuse(fmt::format("a ttl of {}, must be positive and at most {}", in_words(options.ttl), in_words(kTtlMost)));
  }
  if (options.margin < 0ms || options.margin >= options.ttl) {
    refuse(fmt::format("a margin of {}, must be at least 0 and below the ttl of {}", in_words(options.margin),
                       in_words(options.ttl)));
  }
  if (!options.owner.empty()) check_key("lock owner", options.owner, kOwnerBytesMax);
}

// Whether an arbiter that said so may do what it is asked a while later.
bool is_waited_out(Code code) { return base::may_pass(code) || code == Code::io_error; }

void store_big_endian(std::uint64_t value, std::uint8_t* bytes) {
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
  std::memcpy(bytes, &value, sizeof value);
}

std::uint32_t load_big_endian(const std::uint8_t* bytes) {
  std::uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap32(value);
  return value;
}

}  // namespace

struct Semaphore::State {
  State(Backend& arbiter, base::Runtime& clock, std::string name, std::uint32_t count, LeaseOptions wanted)
      : backend(arbiter),
        runtime(clock),
        key(std::move(name)),
        permits(count),
        options(std::move(wanted)),
        process(process_owner(clock.identity())),
        claim_head((std::uint64_t{hash_key(key)} << 32) | (clock.random() & 0xffff0fff) | 0x8000),
        next_claim(clock.random()) {}

  // A UUID of version 8 (RFC 9562): the hash of the key, random bits of this object, and a count from a random start.
  // Made without a lock, a clock or an allocation. The hash tells a lease of another key.
  base::Uuid new_claim() {
    constexpr std::uint64_t kVariant = std::uint64_t{2} << 62;
    const auto number = next_claim.fetch_add(1, std::memory_order_relaxed);
    base::Uuid id;
    store_big_endian(claim_head, id.bytes.data());
    store_big_endian((number & ~(std::uint64_t{3} << 62)) | kVariant, id.bytes.data() + 8);
    return id;
  }

  // A claim of unknown outcome, if there is one: repeating it finds what it did.
  std::optional<base::Uuid> take_unsettled() {
    if (unsettled_count.load(std::memory_order_acquire) == 0) return std::nullopt;
    const base::LocalGuard guard(mutex);
    if (unsettled.empty()) return std::nullopt;
    const auto id = unsettled.back();
    unsettled.pop_back();
    unsettled_count.store(unsettled.size(), std::memory_order_release);
    return id;
  }

  void keep_unsettled(const base::Uuid& id) {
    const base::LocalGuard guard(mutex);
    unsettled.push_back(id);
    unsettled_count.store(unsettled.size(), std::memory_order_release);
  }

  // Of a lease that somebody hands in.
  Claim claim_of(const Lease& lease) const {
    if (load_big_endian(lease.claim.bytes.data()) != claim_head >> 32) {
      throw Error(Code::not_holder,
                  fmt::format("the lease {} is of another key than {}", lease.claim.to_string(), base::quoted(key)));
    }
    return {key, lease.claim, asker(), permits, options.ttl, lease.token};
  }

  // Acts for every task of this process.
  std::string_view asker() const { return options.owner.empty() ? runtime.identity().owner : options.owner; }

  base::Instant expiry(base::Instant sent) const { return sent + (options.ttl - options.margin); }

  Backend& backend;
  base::Runtime& runtime;
  const std::string key;
  const std::uint32_t permits;
  const LeaseOptions options;
  const std::string process;
  const std::uint64_t claim_head;
  std::atomic<std::uint64_t> next_claim;

  base::LocalMutex mutex;
  std::vector<base::Uuid> unsettled TIDELOCK_GUARDED_BY(mutex);
  std::atomic<std::size_t> unsettled_count = 0;
};

// One call of try_acquire() or acquire(): a claim, and what the arbiter may have of it.
class Semaphore::Acquisition {
 public:
  explicit Acquisition(State& state)
      : state_(state), owner_(state.process, state.options.owner.empty() ? state.runtime.current_task() : 0) {
    if (const auto id = state.take_unsettled()) {
      claim_id_ = *id;
      at_arbiter_ = true;
    } else {
      claim_id_ = state.new_claim();
    }
  }

  // One request; empty when it was refused or the reply came too late to be of use.
  std::optional<Lease> request(Queue queue, base::Instant sent, base::Deadline deadline) {
    try {
      attempt_ = state_.backend.try_acquire(claim(), queue, deadline);
    } catch (const Error& error) {
      if (error.code() == Code::unknown_outcome) at_arbiter_ = true;
      throw;
    }
    at_arbiter_ = at_arbiter_ || attempt_.granted || queue == Queue::yes;
    const auto expires = state_.expiry(sent);
    if (!attempt_.granted || state_.runtime.now() >= expires) return std::nullopt;
    at_arbiter_ = false;  // The lease has it now.
    return Lease{attempt_.token, expires, claim_id_};
  }

  std::optional<Lease> wait_turn(base::Deadline deadline, const std::stop_token& stop);

  // Gives up what the arbiter may have; false when that is not certain.
  bool leave() noexcept {
    if (!at_arbiter_) return true;
    try {
      auto left = claim();
      left.owner = state_.asker();  // Another task may have sent what is undone.
      state_.backend.release(left, state_.runtime.in(kFarewell));
      at_arbiter_ = false;
      return true;
    } catch (...) {  // The next attempt repeats the claim; without one it expires.
      remember();
      return false;
    }
  }

  // Lets the next attempt of this Semaphore repeat the claim when its outcome is unknown.
  void remember() {
    if (!std::exchange(at_arbiter_, false)) return;
    state_.keep_unsettled(claim_id_);
  }

 private:
  Claim claim() const {
    const auto& options = state_.options;
    return {state_.key,     claim_id_,   options.owner.empty() ? owner_.view() : std::string_view(options.owner),
            state_.permits, options.ttl, std::nullopt};
  }

  std::nullopt_t give_up(const Error& failure);
  void check_for_deadlock();

  State& state_;
  TaskOwner owner_;
  base::Uuid claim_id_;
  bool at_arbiter_ = false;  // The claim may hold the key or a place in the queue without a lease of ours.
  Attempt attempt_;
};

std::optional<Lease> Semaphore::Acquisition::wait_turn(base::Deadline deadline, const std::stop_token& stop) {
  auto& runtime = state_.runtime;
  base::Backoff backoff(kRetry);
  auto check_after = kDeadlockCheckFirst;
  std::optional<base::Instant> next_check;
  while (!stop.stop_requested()) {
    const auto sent = runtime.now();
    std::optional<Error> failure;
    try {
      if (auto lease = request(Queue::yes, sent, std::min(deadline, base::Deadline(sent + state_.options.ttl))))
        return lease;
    } catch (const Error& error) {
      const bool holds_out = at_arbiter_ && is_waited_out(error.code());  // As a holder does.
      if (error.disposition() == Disposition::permanent && !holds_out) throw;
      failure = error;
    }
    const auto now = runtime.now();
    if (failure) {
      if (deadline.passed(now)) return give_up(*failure);
      runtime.sleep_until(std::min(deadline.at(), now + backoff.next(runtime.random())), stop);
      continue;
    }
    backoff.reset();
    if (deadline.passed(now)) break;
    if (attempt_.granted) continue;  // Too late to be of use; we still hold it, so ask again.
    if (!next_check) {
      next_check = state_.backend.guarantees().waiters_visible ? now + check_after : base::Instant::max();
    } else if (now >= *next_check) {
      check_for_deadlock();
      check_after = std::min(2 * check_after, kDeadlockCheckMax);
      next_check = runtime.now() + base::jittered(check_after, runtime.random());
    }
    const auto refresh = sent + claim().place_ttl() / kRefreshes;
    state_.backend.wait(claim(), std::min({deadline.at(), attempt_.retry_at, refresh, *next_check}), stop);
  }
  return std::nullopt;
}

// The last request before the deadline failed. What it may have done is undone; then it only came too late, if it was
// answered late or not at all.
std::nullopt_t Semaphore::Acquisition::give_up(const Error& failure) {
  const bool settled = leave();
  if (failure.code() == Code::timeout || (failure.code() == Code::unknown_outcome && settled)) return std::nullopt;
  throw failure;
}

void Semaphore::Acquisition::check_for_deadlock() {
  std::vector<KeyState> keys;
  try {
    keys = state_.backend.snapshot(std::nullopt, state_.runtime.in(kFarewell));
  } catch (const Error&) {
    return;  // The next request meets the same trouble, and tells.
  }
  const auto deadlock = Graph(std::move(keys)).find_deadlock();
  if (deadlock && deadlock->victim == claim_id_) throw Error(Code::deadlock, "deadlock: " + deadlock->text);
}

Semaphore::Semaphore(Backend& backend, base::Runtime& runtime, std::string key, std::uint32_t permits,
                     LeaseOptions options) {
  check_options(key, permits, options);
  state_ = std::make_unique<State>(backend, runtime, std::move(key), permits, std::move(options));
}

Semaphore::~Semaphore() = default;

std::optional<Lease> Semaphore::try_acquire(base::Deadline deadline) {
  Acquisition acquisition(*state_);
  try {
    auto lease = acquisition.request(Queue::no, state_->runtime.now(), deadline);
    if (!lease) acquisition.leave();
    return lease;
  } catch (...) {
    acquisition.remember();
    throw;
  }
}

std::optional<Lease> Semaphore::acquire(base::Deadline deadline, const std::stop_token& stop) {
  Acquisition acquisition(*state_);
  std::exception_ptr error;  // Leaving waits, which a handler must not do in a World.
  try {
    if (auto lease = acquisition.wait_turn(deadline, stop)) return lease;
  } catch (...) {
    error = std::current_exception();
  }
  acquisition.leave();
  if (error) std::rethrow_exception(error);
  return std::nullopt;
}

Lease Semaphore::renew(const Lease& lease, base::Deadline deadline) {
  const auto sent = state_->runtime.now();
  state_->backend.renew(state_->claim_of(lease), deadline);
  const auto expires = std::max(lease.expires, state_->expiry(sent));
  if (state_->runtime.now() >= expires) {
    throw Error(Code::lease_lost,
                fmt::format("the lease on {} ended before the reply to its renewal came", base::quoted(state_->key)));
  }
  return {lease.token, expires, lease.claim};
}

void Semaphore::release(const Lease& lease, base::Deadline deadline) {
  state_->backend.release(state_->claim_of(lease), deadline);
}

const std::string& Semaphore::key() const { return state_->key; }
std::uint32_t Semaphore::permits() const { return state_->permits; }
const LeaseOptions& Semaphore::options() const { return state_->options; }
base::Runtime& Semaphore::runtime() const { return state_->runtime; }

Mutex::Mutex(Backend& backend, base::Runtime& runtime, std::string key, LeaseOptions options)
    : Semaphore(backend, runtime, std::move(key), 1, std::move(options)) {}

}  // namespace tidelock::lock
