#include "tidelock/base/real_runtime.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <mutex>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/text.h"
#include "tidelock/base/uuid.h"

namespace tidelock::base {
namespace {

// What belongs to the task that runs on this thread.
struct ThreadState {
  std::optional<std::uint64_t> number;
  std::shared_ptr<const ContextFrame> context;
  std::uint64_t random_state = 0;
  std::uint64_t random_runtime = 0;  // The runtime that seeded it; 0: none.
};

thread_local ThreadState t_state;

std::atomic<std::uint64_t> g_next_runtime{1};
std::atomic<std::uint64_t> g_next_task{1};  // Of the process, as task numbers are: 0 is the main thread.

Instant boot_now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
constexpr std::uint64_t kGoldenGamma = 0x9E3779B97F4A7C15;

std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
  return bits ^ (bits >> 31);
}

std::uint64_t entropy() {
  std::uint64_t seed = 0;
  while (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
    if (errno != EINTR) throw Error(Code::unsupported, "the kernel gives no random numbers");
  }
  return seed;
}

class RealSignal final : public Signal {
 public:
  std::uint64_t count() const override { return count_.load(); }

  void notify_all() override {
    count_.fetch_add(1);
    // Either this sees the waiter, or the waiter, which counts itself before it looks, sees the new count.
    if (waiters_.load() == 0) return;
    { const std::lock_guard guard(mutex_); }  // A waiter between its look and its wait is let finish that step.
    wakeup_.notify_all();
  }

  using Signal::wait;
  bool wait(std::uint64_t seen, Deadline deadline) override {
    check_no_local_mutex_held("a task waits for a signal");
    if (count_.load() != seen) return true;
    std::unique_lock lock(mutex_);
    waiters_.fetch_add(1);
    while (count_.load() == seen) {
      if (deadline.is_never()) {
        wakeup_.wait(lock);
        continue;
      }
      const auto left = deadline.left(boot_now());
      if (left == Duration::zero()) break;
      // A condition variable can only count CLOCK_MONOTONIC, which stands still while the machine is suspended, and a
      // deadline does not: in slices, a resumed laptop notices after a second at most.
      wakeup_.wait_for(lock, std::min<Duration>(left, std::chrono::seconds(1)));
    }
    waiters_.fetch_sub(1);
    return count_.load() != seen;
  }

 private:
  std::atomic<std::uint64_t> count_{0};
  std::atomic<int> waiters_{0};
  std::mutex mutex_;
  std::condition_variable wakeup_;
};

// Blocks, until the end of the scope, what is sent to a process from outside: a thread made meanwhile starts so.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t signals;
    sigfillset(&signals);
    for (const int own_fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
      sigdelset(&signals, own_fault);
    }
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

class RealTask final : public Task::Body {
 public:
  RealTask(std::string name, std::function<void(std::stop_token)> body, std::shared_ptr<const ContextFrame> context)
      : name_(std::move(name)) {
    const SignalsBlocked blocked;
    try {
      thread_ = std::jthread([this, body = std::move(body), context = std::move(context),
                              number = g_next_task.fetch_add(1)](std::stop_token stop) mutable {
        t_state.number = number;
        t_state.context = std::move(context);
        try {
          // Moved here so that what it holds is gone before the task counts as ended.
          const auto moved = std::move(body);
          moved(std::move(stop));
        } catch (...) {
          error_ = std::current_exception();
        }
        t_state.context.reset();
      });
    } catch (const std::system_error& error) {
      throw Error(Code::unavailable, "no thread could be started for task " + base::quoted(name_),
                  {error.code().value(), error.what()});
    }
    pthread_setname_np(thread_.native_handle(), name_.substr(0, 15).c_str());  // What a debugger shows.
  }

  void request_stop() override { thread_.request_stop(); }

  std::exception_ptr join() override {
    thread_.join();
    return std::exchange(error_, nullptr);
  }

  void abandon(std::exception_ptr error) noexcept override {
    std::string text = "an unknown exception";
    try {
      std::rethrow_exception(std::move(error));
    } catch (const std::exception& known) {
      text = known.what();
    } catch (...) {
    }
    std::fprintf(stderr, "tidelock: task %s ended with an error that nobody joined for: %s\n",
                 base::quoted(name_).c_str(), text.c_str());
    std::terminate();
  }

 private:
  std::string name_;
  std::exception_ptr error_;
  std::jthread thread_;  // Last: it uses the others.
};

std::string first_line(const char* path) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line) || line.empty()) {
    throw Error(Code::unsupported, fmt::format("{} cannot be read: Tidelock needs /proc", path));
  }
  return line;
}

// Instants of two boots are not comparable, nor those of two time namespaces whose clocks are set apart.
std::string find_boot_id() {
  auto id = first_line("/proc/sys/kernel/random/boot_id");
  std::ifstream offsets("/proc/self/timens_offsets");  // Missing where the kernel has no time namespaces.
  for (std::string line; std::getline(offsets, line);) {
    std::istringstream words(line);
    std::string clock;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    if (words >> clock >> seconds >> nanoseconds && clock == "boottime" && (seconds != 0 || nanoseconds != 0)) {
      id += fmt::format("{:+}.{:09}", seconds, nanoseconds);
    }
  }
  return id;
}

std::string find_host() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace

RealRuntime::RealRuntime() : RealRuntime(Options{}) {}

RealRuntime::RealRuntime(Options options)
    : id_(g_next_runtime.fetch_add(1)), seed_(options.random_seed ? *options.random_seed : entropy()) {
  const char* inherited = std::getenv("TIDELOCK_OWNER");
  identity_.owner = inherited && *inherited ? parse_owner(inherited) : uuid_v7(*this).to_string();
  identity_.host = find_host();
  identity_.pid = getpid();
  identity_.boot_id = find_boot_id();
}

Instant RealRuntime::now() { return boot_now(); }

WallTime RealRuntime::wall_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

bool RealRuntime::sleep_until(Instant moment, const std::stop_token& stop) {
  check_no_local_mutex_held("a task sleeps");
  if (stop.stop_requested()) return false;
  if (stop.stop_possible()) {
    RealSignal woken;
    Signal& signal = woken;
    signal.wait(0, moment, stop);
    return !stop.stop_requested() || boot_now() >= moment;
  }
  const auto since_boot = std::max(moment.time_since_epoch(), Duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  const timespec until{seconds.count(), (since_boot - seconds).count()};
  while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
  return true;
}

void RealRuntime::yield() { std::this_thread::yield(); }

std::uint64_t RealRuntime::random() {
  auto& state = t_state;
  if (state.random_runtime != id_) {
    state.random_state = mixed(seed_ + mixed(random_streams_.fetch_add(1)));
    state.random_runtime = id_;
  }
  state.random_state += kGoldenGamma;
  return mixed(state.random_state);
}

std::unique_ptr<Signal> RealRuntime::make_signal(std::string_view) { return std::make_unique<RealSignal>(); }

Task RealRuntime::spawn(std::string name, std::function<void(std::stop_token)> body) {
  return Task(std::make_unique<RealTask>(std::move(name), std::move(body), t_state.context));
}

std::uint64_t RealRuntime::current_task() {
  auto& number = t_state.number;
  if (!number) number = getpid() == gettid() ? 0 : g_next_task.fetch_add(1);
  return *number;
}

std::shared_ptr<const ContextFrame>& RealRuntime::context() { return t_state.context; }

std::string parse_owner(std::string_view text) {
  constexpr std::size_t kUuidSize = 36;
  constexpr std::size_t kSuffixLimit = 960;  // A pid of each of some hundred programs within each other.
  const auto suffix = text.substr(std::min(kUuidSize, text.size()));
  const auto is_separator = [](char c) { return c == '.' || c == ':' || c == '/' || c == '-'; };
  const bool suffix_good = suffix.empty() || (is_separator(suffix.front()) && suffix.size() <= 1 + kSuffixLimit &&
                                              std::all_of(suffix.begin(), suffix.end(), [&](char c) {
                                                return ascii::is_letter_or_digit(c) || c == '_' || is_separator(c);
                                              }));
  try {
    if (suffix_good) return Uuid::parse(text.substr(0, kUuidSize)).to_string() + std::string(suffix);
  } catch (const Error&) {
    // The refusal below shows how an owner id is written.
  }
  throw Error(
      Code::invalid_argument,
      fmt::format("TIDELOCK_OWNER is {}: an owner id is a UUID, which may be followed by a suffix of up to {} "
                  "letters, digits and . : / - _, for example 01890a5d-ac96-774b-bcce-b302099a8057/job-7; unset "
                  "it to get a new one",
                  base::quoted(text, 128), kSuffixLimit));
}

}  // namespace tidelock::base
