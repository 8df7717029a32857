// A copy of a DuckDB file that its owner goes on writing, by the rule of a sequence lock: it counts only when the
// header is the same before and after.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/backends/duckdb/header.h"
#include "tidelock/replica/copier.h"

namespace tidelock::replica::duckdb {

// Waits a little for one that is being written. Errors: corrupt; those of read_header().
Header read_steady_header(base::Runtime& runtime, base::File& file, const base::Path& path);

// The length of the log beside a master; 0 without one.
std::uint64_t log_bytes(base::Files& files, const base::Path& master);

// One request. Used once, by one task.
class Copy {
 public:
  Copy(base::Runtime& runtime, base::Files& files, const CopyRequest& request, const std::stop_token& stop)
      : runtime_(runtime), files_(files), request_(request), stop_(stop) {}

  // The copy is complete and not synced. Errors: unsupported (a log, and no owner), timeout (changed each time),
  // cancelled, corrupt; those of Files.
  Copied run();

 private:
  std::uint64_t look_at_log(base::File& master) const;
  void copy_blocks(const Header& header, Copied& copied);
  void copy_pieces(Copied& copied, std::atomic<std::uint64_t>& next, const std::stop_token& stop);
  void copy_piece(std::uint64_t at, std::span<std::byte> piece, Copied& copied);
  std::uint64_t read_again(Copied& copied);
  void check_stop(const std::stop_token& stop) const;

  base::Runtime& runtime_;
  base::Files& files_;
  const CopyRequest& request_;
  const std::stop_token& stop_;
  std::unique_ptr<base::File> master_;
  std::unique_ptr<base::File> copy_;
  base::LocalMutex mutex_;
  std::vector<std::uint64_t> suspects_ TIDELOCK_GUARDED_BY(mutex_);  // Blocks with a wrong checksum.
};

}  // namespace tidelock::replica::duckdb
