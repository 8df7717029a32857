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
  void add(const Durations& others);
  std::uint64_t count() const { return count_; }
  std::size_t size_bytes() const;

 private:
  std::map<std::uint32_t, std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
};

struct StatementSummary {
  std::string statement;  // Normalised; of commits and the like their category, in brackets.
  std::uint64_t count = 0;
  std::uint64_t errors = 0;
  std::uint64_t outages = 0;  // Entries that it was still running; in no other number.
  std::int64_t rows = 0;      // As all sums: the greatest number there is, where it would be more.
  std::chrono::microseconds total{0}, p50{0}, p99{0}, max{0};
  std::vector<LogEntry> slowest;  // At most three, slowest first. Their texts with values are cut to 16 KiB.
};

struct Summary {
  std::uint64_t entries = 0, errors = 0, outages = 0;
  std::chrono::microseconds total{0};
  std::string first, last;                   // Their times, as written.
  std::size_t distinct = 0;                  // Statements, those that were left out as well.
  std::size_t left_out = 0;                  // Of them: those that are counted together as "[others]".
  std::vector<StatementSummary> statements;  // By total, the greatest first.
};

// What a Report keeps at most.
struct ReportLimits {
  std::size_t statements = 100'000;
  std::size_t bytes = std::size_t{128} << 20;  // Of their texts and durations, approximately.
};

// In bounded memory, whatever the log: when there are too many statements, the half that has taken least so far is
// counted together as "[others]". One that comes again after that begins anew.
class Report {
 public:
  explicit Report(ReportLimits limits = {}) : limits_(limits) { others_.sums.statement = "[others]"; }
  void add(LogEntry entry);
  Summary summary(std::size_t top) const;

 private:
  struct Group {
    StatementSummary sums;
    Durations durations;
    std::size_t size_bytes = 0;

    void add(const Group& other);
    void keep(LogEntry entry);  // Among the slowest, if it is one of them.
    std::size_t measure() const;
  };
  std::string key_of(const LogEntry& entry);
  static void count(Group& group, LogEntry entry);
  static StatementSummary summary_of(const Group& group);
  void leave_out_half();

  ReportLimits limits_;
  std::unordered_map<std::string, std::string> normalised_;  // Of texts seen before, with their databases.
  std::size_t normalised_bytes_ = 0;
  std::unordered_map<std::string, Group> groups_;
  std::size_t groups_bytes_ = 0;
  Group others_;  // What was left out.
  Summary all_;
};

}  // namespace tidelock::sql::spy
