// A summary of a log: what was run, how often, how long it took.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "tidelock/sql/spy/log_reader.h"

namespace tidelock::sql::spy {

// How long things took, in little memory: quantiles are exact up to 127 µs, and right to 1 % beyond.
class Durations {
 public:
  void add(std::chrono::microseconds duration);
  std::chrono::microseconds quantile(double q) const;  // 0 to 1; of nothing: 0.
  std::uint64_t count() const { return count_; }

 private:
  std::map<std::uint32_t, std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
};

struct StatementSummary {
  std::string statement;  // Normalised; of commits and the like their category, in brackets.
  std::uint64_t count = 0;
  std::uint64_t errors = 0;
  std::uint64_t outages = 0;  // Entries that it was still running; in no other number.
  std::int64_t rows = 0;
  std::chrono::microseconds total{0}, p50{0}, p99{0}, max{0};
  std::vector<LogEntry> slowest;  // At most three, slowest first.
};

struct Summary {
  std::uint64_t entries = 0, errors = 0, outages = 0;
  std::chrono::microseconds total{0};
  std::string first, last;                   // Their times, as written.
  std::size_t distinct = 0;                  // Statements, all of them.
  std::vector<StatementSummary> statements;  // By total, the greatest first.
};

// Memory grows with the number of distinct statements; from 100,000 on the rest is counted together.
class Report {
 public:
  void add(LogEntry entry);
  Summary summary(std::size_t top) const;

 private:
  struct Group {
    StatementSummary sums;
    Durations durations;
  };
  Group& group_of(const LogEntry& entry);

  std::unordered_map<std::string, std::string> normalised_;  // Of texts seen before, with their databases.
  std::unordered_map<std::string, Group> groups_;
  Summary all_;
};

}  // namespace tidelock::sql::spy
