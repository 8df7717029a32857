#include "tidelock/base/logical_clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

constexpr auto kLast = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kCounterMost = std::uint32_t{1} << 31;  // Of a hybrid stamp.

[[noreturn]] void throw_run_out() {
  throw Error(Code::too_large, "a logical clock has reached its last number, 2^64 - 1: give its nodes new clocks");
}

}  // namespace

LamportClock::Stamp LamportClock::tick() {
  const LocalGuard guard(mutex_);
  return last_ = advance(last_);
}

LamportClock::Stamp LamportClock::receive(Stamp remote) {
  const LocalGuard guard(mutex_);
  if (remote > last_ && remote - last_ > max_jump_) {
    throw Error(Code::invalid_argument,
                fmt::format("a remote Lamport stamp of {} is {} ahead of this clock, more than the {} that are "
                            "believed: its sender is broken or of another system",
                            remote, remote - last_, max_jump_));
  }
  return last_ = advance(std::max(last_, remote));
}

LamportClock::Stamp LamportClock::last() const {
  const LocalGuard guard(mutex_);
  return last_;
}

LamportClock::Stamp LamportClock::advance(Stamp from) {
  if (from == kLast) throw_run_out();
  return from + 1;
}

VectorStamp::VectorStamp(std::map<std::string, std::uint64_t, std::less<>> events) : events_(std::move(events)) {
  std::erase_if(events_, [](const auto& entry) { return entry.second == 0; });
}

std::uint64_t VectorStamp::operator[](std::string_view node) const {
  const auto found = events_.find(node);
  return found == events_.end() ? 0 : found->second;
}

std::partial_ordering operator<=>(const VectorStamp& a, const VectorStamp& b) {
  const auto within = [](const VectorStamp& inner, const VectorStamp& outer) {
    return std::ranges::all_of(inner.events_, [&](const auto& entry) { return entry.second <= outer[entry.first]; });
  };
  const bool a_in_b = within(a, b);
  const bool b_in_a = within(b, a);
  if (a_in_b && b_in_a) return std::partial_ordering::equivalent;
  if (a_in_b) return std::partial_ordering::less;
  if (b_in_a) return std::partial_ordering::greater;
  return std::partial_ordering::unordered;
}

void VectorStamp::merge(const VectorStamp& other) {
  for (const auto& [node, count] : other.events_) {
    auto& mine = events_[node];
    mine = std::max(mine, count);
  }
}

VectorStamp VectorClock::tick() {
  const LocalGuard guard(mutex_);
  const auto mine = next();
  last_.events_[node_] = mine;
  return last_;
}

VectorStamp VectorClock::receive(const VectorStamp& remote) {
  const LocalGuard guard(mutex_);
  if (remote[node_] > last_[node_]) {
    throw Error(Code::invalid_argument,
                fmt::format("a remote vector stamp knows {} events of node {}, which has had {}: another node uses its "
                            "name, or it has lost its last stamp",
                            remote[node_], base::quoted(node_), last_[node_]));
  }
  const auto mine = next();
  last_.merge(remote);
  last_.events_[node_] = mine;
  return last_;
}

VectorStamp VectorClock::last() const {
  const LocalGuard guard(mutex_);
  return last_;
}

std::uint64_t VectorClock::next() const {
  const auto mine = last_[node_];
  if (mine == kLast) throw_run_out();
  return mine + 1;
}

std::string HybridStamp::to_string() const {
  return fmt::format("{:016x}.{:08x}", static_cast<std::uint64_t>(time.time_since_epoch().count()), counter);
}

HybridStamp HybridStamp::parse(std::string_view text) {
  std::uint64_t time = 0;
  std::uint32_t counter = 0;
  const auto hex = [](std::string_view digits, auto& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const bool right = text.size() == 25 && text[16] == '.' && hex(text.substr(0, 16), time) &&
                     hex(text.substr(17), counter) &&
                     time <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!right) {
    throw Error(Code::invalid_argument,
                fmt::format("{} is no hybrid stamp, which looks like 000645a1b2c3d4e5.0000000f", base::quoted(text)));
  }
  return {WallTime(std::chrono::microseconds(static_cast<std::int64_t>(time))), counter};
}

HybridClock::HybridClock(Runtime& runtime, HybridClockOptions options, HybridStamp last)
    : runtime_(runtime), options_(options), last_(last) {
  if (options_.max_offset < Duration::zero()) {
    throw Error(Code::invalid_argument, fmt::format("a hybrid clock with a max_offset of {}: it must not be negative",
                                                    format_duration(options_.max_offset)));
  }
}

// Before 1970 a stamp would not sort as text.
WallTime HybridClock::time_of_day() { return std::max(runtime_.wall_now(), WallTime{}); }

HybridStamp HybridClock::tick() {
  const auto now = time_of_day();
  const LocalGuard guard(mutex_);
  return last_ = advance(last_, now);
}

HybridStamp HybridClock::receive(const HybridStamp& remote) {
  const auto now = time_of_day();
  const auto latest = now + std::chrono::floor<std::chrono::microseconds>(options_.max_offset);
  if (remote.time > latest) {
    throw Error(
        Code::invalid_argument,
        fmt::format("a remote hybrid stamp is {} ahead of this machine's clock, more than the {} that are "
                    "allowed: one of the two clocks is wrong",
                    format_duration(std::min<std::chrono::microseconds>(remote.time - now, std::chrono::days(100'000))),
                    format_duration(options_.max_offset)));
  }
  if (remote.counter > kCounterMost) {
    throw Error(Code::invalid_argument,
                fmt::format("a remote hybrid stamp counts {} events at one time of day, more than the {} that are "
                            "believed: its sender is broken",
                            remote.counter, kCounterMost));
  }
  const LocalGuard guard(mutex_);
  return last_ = advance(std::max(last_, remote), now);
}

HybridStamp HybridClock::last() const {
  const LocalGuard guard(mutex_);
  return last_;
}

// The next stamp after `from`. The larger of two stamps has the larger time and, among equal times, the larger counter:
// the three cases of the paper's receipt are this one.
HybridStamp HybridClock::advance(HybridStamp from, WallTime now) {
  if (now > from.time) return {now, 0};
  if (from.counter >= kCounterMost) return {from.time + std::chrono::microseconds(1), 0};
  return {from.time, from.counter + 1};
}

}  // namespace tidelock::base
