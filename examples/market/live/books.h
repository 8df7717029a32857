// Where the live programs read the books.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/manifest.h"
#include "tidelock/sql/database.h"

namespace market {

// Thread-safe.
class Source {
 public:
  virtual ~Source() = default;

  struct Reading {
    tidelock::sql::Connection connection;
    std::optional<tidelock::replica::Version> version;
  };
  virtual Reading read() = 0;
  // Waits until read() may give newer data.
  virtual void wait_for_news(tidelock::base::Deadline deadline, const std::stop_token& stop) = 0;
};

// The newest good version of a replica: what live programs should read. Borrows both.
std::unique_ptr<Source> replica_source(tidelock::base::Runtime& runtime, tidelock::base::Files& files,
                                       const tidelock::base::Path& folder);
// The file that the jobs write, opened anew for each read: to see what then happens. Borrows both.
std::unique_ptr<Source> master_source(tidelock::base::Runtime& runtime, tidelock::base::Files& files,
                                      const tidelock::base::Path& file);

// Reads from a source, and counts how it went. Thread-safe.
class Books {
 public:
  explicit Books(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  // Calls `look` with a connection. False when it could not be read; what `look` throws counts as that too. Until a
  // version was seen there is nothing to read, as the pipeline has published none: that is not a failure, and false as
  // well.
  bool read(const std::function<void(tidelock::sql::Connection&)>& look);
  void wait_for_news(tidelock::base::Deadline deadline, const std::stop_token& stop) {
    source_->wait_for_news(deadline, stop);
  }

  // Goes on from what counts() gave. Error: tidelock::Error, corrupt.
  void resume(const nlohmann::json& counts);
  // {reads, reads_failed, lock_conflicts (of these, because another process has the file locked), versions (different
  // ones), went_back (reads that saw an older version than an earlier read), last_failure}
  nlohmann::json counts() const;

 private:
  void saw(const tidelock::replica::Version& version);
  bool has_seen_a_version() const;
  void failed(const std::exception& error, bool locked);

  std::unique_ptr<Source> source_;
  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> locked_ = 0;
  mutable tidelock::base::LocalMutex mutex_;
  std::uint64_t versions_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::uint64_t went_back_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  std::optional<tidelock::replica::Version> newest_ TIDELOCK_GUARDED_BY(mutex_);
  std::string last_failure_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace market
