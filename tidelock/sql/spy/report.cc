#include "tidelock/sql/spy/report.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "tidelock/sql/spy/layout.h"

namespace tidelock::sql::spy {
namespace {

using std::chrono::microseconds;

constexpr std::uint32_t kFineBits = 6;  // 64 buckets for each doubling.
constexpr std::size_t kGroupsMax = 100'000;
constexpr std::size_t kTextsMax = 10'000;
constexpr std::size_t kSlowest = 3;

std::uint32_t bucket_of(std::uint64_t value) {
  if (value < (1U << kFineBits)) return static_cast<std::uint32_t>(value);
  const auto shift = static_cast<std::uint32_t>(std::bit_width(value)) - kFineBits - 1;
  return (shift << kFineBits) + static_cast<std::uint32_t>(value >> shift);
}

// The middle of a bucket.
std::uint64_t value_of(std::uint32_t bucket) {
  if (bucket < (2U << kFineBits)) return bucket;
  const auto shift = (bucket >> kFineBits) - 1;
  const std::uint64_t fine = (bucket & ((1U << kFineBits) - 1)) | (1U << kFineBits);
  return (fine << shift) + (std::uint64_t{1} << shift) / 2;
}

}  // namespace

void Durations::add(microseconds duration) {
  ++buckets_[bucket_of(static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)))];
  ++count_;
}

microseconds Durations::quantile(double q) const {
  if (count_ == 0) return microseconds(0);
  const auto wanted =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(q * static_cast<double>(count_) + 0.999999), 1, count_);
  std::uint64_t seen = 0;
  for (const auto& [bucket, count] : buckets_) {
    seen += count;
    if (seen >= wanted) return microseconds(static_cast<std::int64_t>(value_of(bucket)));
  }
  return microseconds(0);
}

Report::Group& Report::group_of(const LogEntry& entry) {
  std::string key;
  if (entry.sql.empty()) {
    key = "[" + entry.category + "]";
  } else {
    auto text = entry.database + '\n' + entry.sql;
    auto known = normalised_.find(text);
    if (known == normalised_.end()) {
      if (normalised_.size() >= kTextsMax) normalised_.clear();
      known = normalised_.emplace(std::move(text), normalised(entry.sql, lexis_in_log(entry.database))).first;
    }
    key = known->second;
  }
  auto found = groups_.find(key);
  if (found == groups_.end()) {
    if (groups_.size() >= kGroupsMax) key = "[others]";
    found = groups_.try_emplace(key).first;
    found->second.sums.statement = key;
  }
  return found->second;
}

void Report::add(LogEntry entry) {
  auto& group = group_of(entry);
  auto& sums = group.sums;
  ++all_.entries;
  if (all_.first.empty()) all_.first = entry.time;
  all_.last = entry.time;
  if (entry.category == "outage") {
    ++all_.outages;
    ++sums.outages;
    return;
  }
  if (entry.category == "error") {
    ++all_.errors;
    ++sums.errors;
  }
  ++sums.count;
  sums.rows += entry.rows;
  sums.total += entry.elapsed;
  all_.total += entry.elapsed;
  sums.max = std::max(sums.max, entry.elapsed);
  group.durations.add(entry.elapsed);
  auto& slowest = sums.slowest;
  if (slowest.size() == kSlowest && slowest.back().elapsed >= entry.elapsed) return;
  const auto place = std::ranges::upper_bound(slowest, entry.elapsed, std::greater<>(),
                                              [](const LogEntry& each) { return each.elapsed; });
  slowest.insert(place, std::move(entry));
  if (slowest.size() > kSlowest) slowest.pop_back();
}

Summary Report::summary(std::size_t top) const {
  auto summary = all_;
  summary.distinct = groups_.size();
  std::vector<const Group*> order;
  for (const auto& [statement, group] : groups_) order.push_back(&group);
  std::ranges::sort(order, [](const Group* a, const Group* b) {
    return std::pair(b->sums.total, a->sums.statement) < std::pair(a->sums.total, b->sums.statement);
  });
  for (const auto* group : order) {
    if (summary.statements.size() == top) break;
    auto sums = group->sums;
    sums.p50 = std::min(group->durations.quantile(0.5), sums.max);
    sums.p99 = std::min(group->durations.quantile(0.99), sums.max);
    summary.statements.push_back(std::move(sums));
  }
  return summary;
}

}  // namespace tidelock::sql::spy
