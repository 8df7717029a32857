#include "tidelock/sql/spy/report.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "tidelock/sql/spy/cut_text.h"
#include "tidelock/sql/spy/layout.h"

namespace tidelock::sql::spy {
namespace {

using std::chrono::microseconds;

constexpr std::uint32_t kFineBits = 6;                    // 64 buckets for each doubling.
constexpr std::size_t kKeptText = std::size_t{16} << 10;  // Of a statement, and of an example.
constexpr std::size_t kTextsMax = 10'000;
constexpr std::size_t kTextsBytesMax = std::size_t{16} << 20;
constexpr std::size_t kSlowest = 3;

std::uint32_t bucket_of(std::uint64_t value) {
  if (value < (1U << kFineBits)) return static_cast<std::uint32_t>(value);
  const auto shift = static_cast<std::uint32_t>(std::bit_width(value)) - kFineBits - 1;
  return (shift << kFineBits) + static_cast<std::uint32_t>(value >> shift);
}

std::int64_t sum(std::int64_t a, std::int64_t b) {  // Neither is negative.
  return a > std::numeric_limits<std::int64_t>::max() - b ? std::numeric_limits<std::int64_t>::max() : a + b;
}
microseconds sum(microseconds a, microseconds b) { return microseconds(sum(a.count(), b.count())); }

std::string cut(std::string text, std::string_view rest = {}) {
  if (text.size() <= kKeptText) return text;
  cut_text(text, kKeptText);
  text += rest;
  text.shrink_to_fit();
  return text;
}

// What a statement is known by. Two long ones that begin alike are still told apart.
std::string key_from(std::string statement) {
  if (statement.size() <= kKeptText) return statement;
  const auto tail = " [" + std::to_string(statement.size()) + " bytes, " +
                    std::to_string(std::hash<std::string>()(statement) % 1'000'000) + "]";
  return cut(std::move(statement), tail);
}

bool takes_more(const StatementSummary& a, const StatementSummary& b) {
  return std::pair(b.total, std::string_view(a.statement)) < std::pair(a.total, std::string_view(b.statement));
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

void Durations::add(const Durations& others) {
  for (const auto& [bucket, count] : others.buckets_) buckets_[bucket] += count;
  count_ += others.count_;
}

std::size_t Durations::size_bytes() const { return buckets_.size() * 48; }  // As the nodes of a map are.

void Report::Group::keep(LogEntry entry) {
  auto& slowest = sums.slowest;
  if (slowest.size() == kSlowest && slowest.back().elapsed >= entry.elapsed) return;
  for (auto* not_told : {&entry.sql, &entry.database}) std::string().swap(*not_told);  // With its memory.
  for (auto* text :
       {&entry.time, &entry.category, &entry.effective, &entry.error, &entry.job, &entry.run, &entry.step}) {
    *text = cut(std::move(*text));
  }
  const auto place = std::ranges::upper_bound(slowest, entry.elapsed, std::greater<>(),
                                              [](const LogEntry& each) { return each.elapsed; });
  slowest.insert(place, std::move(entry));
  if (slowest.size() > kSlowest) slowest.pop_back();
}

void Report::Group::add(const Group& other) {
  sums.count += other.sums.count;
  sums.errors += other.sums.errors;
  sums.outages += other.sums.outages;
  sums.rows = sum(sums.rows, other.sums.rows);
  sums.total = sum(sums.total, other.sums.total);
  sums.max = std::max(sums.max, other.sums.max);
  durations.add(other.durations);
  for (const auto& entry : other.sums.slowest) keep(entry);
}

std::size_t Report::Group::measure() const {
  auto bytes = sizeof(Group) + 2 * sums.statement.size() + durations.size_bytes();
  for (const auto& entry : sums.slowest) {
    bytes += sizeof(LogEntry) + entry.time.size() + entry.category.size() + entry.effective.size() +
             entry.error.size() + entry.job.size() + entry.run.size() + entry.step.size();
  }
  return bytes;
}

std::string Report::key_of(const LogEntry& entry) {
  if (entry.sql.empty()) return "[" + cut(entry.category) + "]";
  auto text = entry.database + '\n' + entry.sql;
  const auto known = normalised_.find(text);
  if (known != normalised_.end()) return known->second;
  auto key = key_from(normalised(entry.sql, lexis_in_log(entry.database)));
  const auto bytes = text.size() + key.size();
  if (bytes > kKeptText) return key;
  if (normalised_.size() >= kTextsMax || normalised_bytes_ + bytes > kTextsBytesMax) {
    normalised_.clear();
    normalised_bytes_ = 0;
  }
  normalised_bytes_ += bytes;
  normalised_.emplace(std::move(text), key);
  return key;
}

void Report::count(Group& group, LogEntry entry) {
  auto& sums = group.sums;
  if (entry.category == "outage") {
    ++sums.outages;
    return;
  }
  if (entry.category == "error") ++sums.errors;
  ++sums.count;
  sums.rows = sum(sums.rows, entry.rows);
  sums.total = sum(sums.total, entry.elapsed);
  sums.max = std::max(sums.max, entry.elapsed);
  group.durations.add(entry.elapsed);
  group.keep(std::move(entry));
}

void Report::add(LogEntry entry) {
  ++all_.entries;
  if (all_.first.empty()) all_.first = cut(entry.time);
  all_.last = cut(entry.time);
  if (entry.category == "outage") {
    ++all_.outages;
  } else {
    if (entry.category == "error") ++all_.errors;
    all_.total = sum(all_.total, entry.elapsed);
  }
  const auto [found, is_new] = groups_.try_emplace(key_of(entry));
  auto& group = found->second;
  if (is_new) group.sums.statement = found->first;
  count(group, std::move(entry));
  groups_bytes_ -= group.size_bytes;
  group.size_bytes = group.measure();
  groups_bytes_ += group.size_bytes;
  if (groups_.size() > limits_.statements || groups_bytes_ > limits_.bytes) leave_out_half();
}

void Report::leave_out_half() {
  std::vector<const Group*> order;
  for (const auto& [statement, group] : groups_) order.push_back(&group);
  std::ranges::sort(order, takes_more, &Group::sums);
  const auto keep = std::max<std::size_t>(order.size() / 2, 1);
  for (const auto* group : std::span(order).subspan(keep)) {
    others_.add(*group);
    ++all_.left_out;
    groups_bytes_ -= group->size_bytes;
    groups_.erase(groups_.find(group->sums.statement));
  }
}

StatementSummary Report::summary_of(const Group& group) {
  auto sums = group.sums;
  sums.p50 = std::min(group.durations.quantile(0.5), sums.max);
  sums.p99 = std::min(group.durations.quantile(0.99), sums.max);
  return sums;
}

Summary Report::summary(std::size_t top) const {
  auto summary = all_;
  summary.distinct = groups_.size() + all_.left_out;
  std::vector<const Group*> order;
  for (const auto& [statement, group] : groups_) order.push_back(&group);
  if (all_.left_out > 0) order.push_back(&others_);
  std::ranges::sort(order, takes_more, &Group::sums);
  for (const auto* group : order) {
    if (summary.statements.size() == top) break;
    summary.statements.push_back(summary_of(*group));
  }
  return summary;
}

}  // namespace tidelock::sql::spy
