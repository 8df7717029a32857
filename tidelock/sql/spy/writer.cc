#include "tidelock/sql/spy/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace tidelock::sql::spy {
namespace {

constexpr std::size_t kSlice = 256;  // Records that are written, or lost, together.

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

std::size_t Writer::take(std::vector<RecordPtr>& batch) {
  const base::LocalGuard guard(mutex_);
  std::swap(queue_, batch);
  queued_bytes_ = 0;
  return batch.size();
}

void Writer::run(const std::stop_token& stop) {
  runtime_.context().reset();  // It serves every statement, not what happened to start it.
  std::vector<RecordPtr> batch;
  batch.reserve(options_.records);
  for (;;) {
    const auto seen = work_->count();
    const auto hurry = hurry_->count();
    const auto count = take(batch);
    if (count == 0) {
      if (stop.stop_requested()) return;
      work_->wait(seen, base::Deadline::never(), stop);
      // Those that follow soon are written together.
      if (!stop.stop_requested()) hurry_->wait(hurry, runtime_.in(options_.every), stop);
      continue;
    }
    write(batch);
    report_overflow();
    batch.clear();
    {
      const base::LocalGuard guard(mutex_);
      written_ += count;
    }
    done_->notify_all();
  }
}

void Writer::write(std::span<const RecordPtr> batch) {
  for (std::size_t at = 0; at < batch.size(); at += kSlice) {
    const auto slice = batch.subspan(at, std::min(kSlice, batch.size() - at));
    for (auto& target : targets_) write(target, slice, slice.size());
  }
}

void Writer::write(Target& target, std::span<const RecordPtr> slice, std::size_t entries) {
  try {
    if (target.missing == 0) {
      target.sink->write(slice);
    } else {  // Together, so that the gap is told once.
      std::vector<RecordPtr> all{warning(fmt::format("{} entries are missing here: {}", target.missing, target.why))};
      all.insert(all.end(), slice.begin(), slice.end());
      target.sink->write(all);
    }
  } catch (const std::exception& error) {
    count_dropped(entries);
    if (target.missing == 0 && entries > 0) {
      target.why = error.what();
      say(base::LogLevel::warning,
          fmt::format("{} cannot be written, statements go on without it: {}", target.sink->name(), target.why));
    }
    target.missing += entries;
    return;
  }
  if (const auto missing = std::exchange(target.missing, 0); missing > 0) {
    say(base::LogLevel::info, fmt::format("{} is written again; {} entries are missing", target.sink->name(), missing));
  }
}

void Writer::report_overflow() {
  std::uint64_t overflow = 0;
  {
    const base::LocalGuard guard(mutex_);
    overflow = overflow_;
  }
  if (overflow == overflow_said_) return;
  const RecordPtr gap = warning(fmt::format("{} entries are missing here: they came faster than they could be written",
                                            overflow - overflow_said_));
  if (overflow_said_ == 0) {
    say(base::LogLevel::warning,
        fmt::format("statements come faster than they can be written: what finds {} entries waiting is dropped",
                    options_.records));
  }
  overflow_said_ = overflow;
  for (auto& target : targets_) write(target, {&gap, 1}, 0);
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
