// Where a commit stands in the write-ahead log (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
//
// A position is "<database>:<generation>:<frame>:<salts>": the frame that committed, in the log that begins with these
// salts. The log begins anew, with other salts, whenever all of it is in the database file and nobody reads it. Two
// positions are ordered
//   - by frame when their salts are equal, whichever process they come from;
//   - by generation when their database is equal: each Database numbers the logs that it commits to, in their order;
//   - otherwise not: SQLite keeps no count that goes through all generations.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "tidelock/base/local_mutex.h"
#include "tidelock/sql/dialect.h"

namespace tidelock::sql::sqlite {

struct Salts {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  friend bool operator==(const Salts&, const Salts&) = default;
};

// The generations of one Database. Thread-safe.
class Generations {
 public:
  // `database`: a random number.
  explicit Generations(std::uint64_t database) : database_(database) {}

  // Called while the log of these salts cannot begin anew, right after a commit to it: so generations are numbered in
  // their true order.
  Position position(Salts salts, std::uint32_t frame) TIDELOCK_EXCLUDES(mutex_);

 private:
  const std::uint64_t database_;
  base::LocalMutex mutex_;
  std::uint64_t generation_ TIDELOCK_GUARDED_BY(mutex_) = 0;
  Salts salts_ TIDELOCK_GUARDED_BY(mutex_);
};

std::partial_ordering compare_positions(const Position& a, const Position& b);

}  // namespace tidelock::sql::sqlite
