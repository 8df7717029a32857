// The task that writes, and the queue before it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/log.h"
#include "tidelock/base/metrics.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/spy/sink.h"

namespace tidelock::sql::spy {

struct QueueOptions {
  std::size_t records = 65'536;                           // More are dropped.
  std::size_t bytes = std::size_t{64} << 20;              // Of their texts and values, nearly.
  base::Duration every = std::chrono::milliseconds(100);  // How long a record may wait for company.
};

// Told about troubles: once when a sink cannot be written or the queue is full, once when that is over. Called by the
// writing task.
using Say = std::function<void(base::LogLevel level, const std::string& text)>;

// Thread-safe. Borrows the runtime and what the sinks borrow.
class Writer {
 public:
  // `shown`: what is dropped is added to it.
  Writer(base::Runtime& runtime, std::vector<std::unique_ptr<Sink>> sinks, QueueOptions options, Say say,
         std::optional<base::Gauge> shown = {});
  ~Writer();  // Writes what is queued.

  // Never waits and never fails: a record that finds the queue full is dropped.
  void add(RecordPtr record, std::size_t bytes) noexcept TIDELOCK_EXCLUDES(mutex_);
  void count_dropped(std::size_t records = 1) noexcept;
  // Waits until all that was added before is written or dropped. False at the deadline.
  bool flush(base::Deadline deadline) TIDELOCK_EXCLUDES(mutex_);
  // Records that did not get into a sink, counted for each sink.
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  // Until end_rest() the sinks rest whenever all that was added is written; flush() waits for that, too.
  void begin_rest() TIDELOCK_EXCLUDES(mutex_);
  void end_rest() TIDELOCK_EXCLUDES(mutex_);

 private:
  // Entries that a sink has not got, and does not know of yet.
  struct Gap {
    std::uint64_t entries = 0;
    std::string why{};
  };
  struct Target {
    std::unique_ptr<Sink> sink;
    Gap not_taken{};
    Gap overflow{};
    std::uint64_t missing = 0;  // Entries it did not take since it last took all that it was given.
  };
  struct Taken {
    std::uint64_t added;     // Up to here all is taken.
    std::uint64_t overflow;  // Entries that found the queue full behind these.
    bool rest;
  };

  void run(const std::stop_token& stop);
  Taken take(std::vector<RecordPtr>& batch) TIDELOCK_EXCLUDES(mutex_);
  void write(std::span<const RecordPtr> batch);
  void write(Target& target, std::span<const RecordPtr> slice);
  void tell_gaps();
  void note_overflow(std::uint64_t entries);
  RecordPtr warning(std::string text);
  void say(base::LogLevel level, const std::string& text) const;

  base::Runtime& runtime_;
  const QueueOptions options_;
  const Say say_;
  std::optional<base::Gauge> shown_;
  std::vector<Target> targets_;    // Of the writing task; whether there are any, of all.
  std::uint64_t overflowing_ = 0;  // Entries that found the queue full, one batch after the other.
  std::shared_ptr<const StatementText> no_statement_;
  std::atomic<std::uint64_t> dropped_ = 0;

  std::unique_ptr<base::Signal> work_;   // The queue is no longer empty.
  std::unique_ptr<base::Signal> hurry_;  // Do not wait for company.
  std::unique_ptr<base::Signal> done_;   // A batch was written.
  base::LocalMutex mutex_;
  std::vector<RecordPtr> queue_ TIDELOCK_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::uint64_t added_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::uint64_t written_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::uint64_t overflow_ TIDELOCK_GUARDED_BY(mutex_) = 0;  // Since the queue was last taken.
  bool resting_ TIDELOCK_GUARDED_BY(mutex_) = false;
  base::Task task_;  // Ends first.
};

}  // namespace tidelock::sql::spy
