#include "tidelock/sql/spy/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <numeric>
#include <utility>

namespace tidelock::sql::spy {
namespace {

constexpr std::size_t kSlice = 256;  // Records that are given to a sink together.

std::string counted(std::uint64_t entries) {
  return entries == 1 ? "1 entry is" : fmt::format("{} entries are", entries);
}

}  // namespace

Writer::Writer(base::Runtime& runtime, std::vector<std::unique_ptr<Sink>> sinks, QueueOptions options, Say say,
               std::optional<base::Gauge> shown)
    : runtime_(runtime),
      options_(options),
      say_(std::move(say)),
      shown_(shown),
      no_statement_(std::make_shared<const StatementText>(std::make_shared<const Place>(), "", SecretNames(), true)),
      work_(runtime.make_signal("statements for the spy to write")),
      hurry_(runtime.make_signal("more statements for the spy to write")),
      done_(runtime.make_signal("the spy's writer")) {
  for (auto& sink : sinks) targets_.push_back({std::move(sink)});
  if (!targets_.empty()) queue_.reserve(options_.records);
  if (!targets_.empty()) task_ = runtime.spawn("spy", [this](const std::stop_token& stop) { run(stop); });
}

Writer::~Writer() = default;

void Writer::add(RecordPtr record, std::size_t bytes) noexcept {
  if (targets_.empty()) return;
  bool first = false, half = false;
  {
    const base::LocalGuard guard(mutex_);
    if (queue_.size() >= options_.records || queued_bytes_ + bytes > options_.bytes) {
      ++overflow_;
      count_dropped();
      return;
    }
    const auto was_half = queue_.size() * 2 >= options_.records || queued_bytes_ * 2 >= options_.bytes;
    first = queue_.empty();
    queue_.push_back(std::move(record));
    queued_bytes_ += bytes;
    ++added_;
    half = !was_half && (queue_.size() * 2 >= options_.records || queued_bytes_ * 2 >= options_.bytes);
  }
  if (first) work_->notify_all();
  if (half) hurry_->notify_all();
}

void Writer::count_dropped(std::size_t records) noexcept {
  dropped_.fetch_add(records, std::memory_order_relaxed);
  if (shown_) shown_->add(static_cast<double>(records));
}

bool Writer::flush(base::Deadline deadline) {
  std::uint64_t target = 0;
  {
    const base::LocalGuard guard(mutex_);
    target = added_;
  }
  hurry_->notify_all();
  for (;;) {
    const auto seen = done_->count();
    {
      const base::LocalGuard guard(mutex_);
      if (written_ >= target) return true;
    }
    if (!done_->wait(seen, deadline)) return false;
  }
}

void Writer::begin_rest() {
  if (targets_.empty()) return;
  {
    const base::LocalGuard guard(mutex_);
    resting_ = true;
    ++added_;  // Something to do.
  }
  work_->notify_all();
}

void Writer::end_rest() {
  const base::LocalGuard guard(mutex_);
  resting_ = false;
}

Writer::Taken Writer::take(std::vector<RecordPtr>& batch) {
  const base::LocalGuard guard(mutex_);
  std::swap(queue_, batch);
  queued_bytes_ = 0;
  return {added_, std::exchange(overflow_, 0), resting_};
}

void Writer::run(const std::stop_token& stop) {
  runtime_.context().reset();  // It serves every statement, not what happened to start it.
  std::vector<RecordPtr> batch;
  batch.reserve(options_.records);
  std::uint64_t written = 0;
  for (;;) {
    const auto seen = work_->count();
    const auto hurry = hurry_->count();
    const auto taken = take(batch);
    if (taken.added == written && taken.overflow == 0) {
      note_overflow(0);
      if (stop.stop_requested()) return tell_gaps();
      work_->wait(seen, base::Deadline::never(), stop);
      // Those that follow soon are written together.
      if (!stop.stop_requested()) hurry_->wait(hurry, runtime_.in(options_.every), stop);
      continue;
    }
    write(batch);
    batch.clear();
    note_overflow(taken.overflow);
    if (taken.rest) {
      tell_gaps();
      for (auto& target : targets_) target.sink->rest();
    }
    written = taken.added;
    {
      const base::LocalGuard guard(mutex_);
      written_ = written;
    }
    done_->notify_all();
  }
}

void Writer::write(std::span<const RecordPtr> batch) {
  for (std::size_t at = 0; at < batch.size(); at += kSlice) {
    const auto slice = batch.subspan(at, std::min(kSlice, batch.size() - at));
    for (auto& target : targets_) write(target, slice);
  }
}

void Writer::write(Target& target, std::span<const RecordPtr> slice) {
  // Together, so that each gap is told once.
  std::vector<RecordPtr> all;
  std::vector<Gap*> gaps;
  for (auto* const gap : {&target.not_taken, &target.overflow}) {
    if (gap->entries == 0) continue;
    all.push_back(warning(fmt::format("{} missing here: {}", counted(gap->entries), gap->why)));
    gaps.push_back(gap);
  }
  if (!gaps.empty()) all.insert(all.end(), slice.begin(), slice.end());
  const auto given = gaps.empty() ? slice : std::span<const RecordPtr>(all);

  Untaken untaken;
  try {
    untaken = target.sink->write(given);
  } catch (const std::exception& error) {
    untaken.why = error.what();
    untaken.records.resize(given.size());
    std::iota(untaken.records.begin(), untaken.records.end(), std::size_t{0});
  }
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    if (!std::ranges::binary_search(untaken.records, i)) gaps[i]->entries = 0;
  }
  const auto lost = static_cast<std::size_t>(
      std::ranges::count_if(untaken.records, [&](std::size_t record) { return record >= gaps.size(); }));
  if (lost > 0) {
    count_dropped(lost);
    if (target.not_taken.entries == 0) target.not_taken.why = untaken.why;
    target.not_taken.entries += lost;
    if (target.missing == 0) {
      say(base::LogLevel::warning,
          fmt::format("{} cannot be written, statements go on without it: {}", target.sink->name(), untaken.why));
    }
    target.missing += lost;
  } else if (untaken.records.empty() && target.missing > 0) {
    say(base::LogLevel::info,
        fmt::format("{} is written again; {} missing", target.sink->name(), counted(std::exchange(target.missing, 0))));
  }
}

// Where no further entry may come that brings them along.
void Writer::tell_gaps() {
  for (auto& target : targets_) {
    if (target.not_taken.entries > 0 || target.overflow.entries > 0) write(target, {});
  }
}

// `entries`: behind the batch that was just written. Of a batch without any, and of an empty queue, it is over.
void Writer::note_overflow(std::uint64_t entries) {
  if (entries == 0) {
    if (const auto missing = std::exchange(overflowing_, 0); missing > 0) {
      say(base::LogLevel::info, fmt::format("statements are written as they come again; {} missing", counted(missing)));
    }
    return;
  }
  if (std::exchange(overflowing_, overflowing_ + entries) == 0) {
    say(base::LogLevel::warning,
        fmt::format("statements come faster than they can be written: what finds {} entries waiting is dropped",
                    options_.records));
  }
  for (auto& target : targets_) {
    target.overflow = {target.overflow.entries + entries, "they came faster than they could be written"};
    write(target, {});
  }
}

RecordPtr Writer::warning(std::string text) {
  auto record = std::make_shared<Record>();
  record->category = LogCategory::warn;
  record->time = runtime_.wall_now();
  record->statement = no_statement_;
  record->error = std::move(text);
  return record;
}

void Writer::say(base::LogLevel level, const std::string& text) const {
  if (say_) say_(level, "spy: " + text);
}

}  // namespace tidelock::sql::spy
