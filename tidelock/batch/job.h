// What a job is: plain data, as a pipeline file states it. Nothing here runs; see runner.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tidelock/base/backoff.h"
#include "tidelock/base/files.h"
#include "tidelock/base/time.h"
#include "tidelock/batch/record.h"
#include "tidelock/batch/schedule.h"
#include "tidelock/sql/guard.h"

namespace tidelock::batch {

// Rows of a file of comma-separated values, whose first line names the columns. Plain, or compressed by gzip or zstd:
// the content tells. See csv.h for what is accepted.
struct CsvSource {
  base::Path path{};
};

// Rows of one query in the job's store. `sql` may use $now, $today and $yesterday; see binds.h.
struct QuerySource {
  std::string name{};  // For messages: the file it came from.
  std::string sql{};
};

// Where the rows of a chunk step go. Fields and columns have the same names.
struct Write {
  enum class Kind {
    insert,  // New rows; fastest.
    upsert,  // By key: a new row, or the one that has this key is changed.
    update,  // By key; a row that finds nothing to update is a bad row.
  };
  Kind kind = Kind::insert;
  std::string table{};
  std::vector<std::string> key{};  // Of upsert and update: at least one field.
};

// Rows from a source, checked, into a table: one transaction a chunk, with the checkpoint in it.
struct ChunkStep {
  std::variant<CsvSource, QuerySource> source{};
  std::optional<Record> record{};  // Needed for a CsvSource; empty for a query: its columns as they come.
  std::string only{};              // A condition; rows for which it is not true are passed over. Empty: all rows.
  Write write{};                   //
  std::size_t chunk_rows = 1000;   // 1 to 1 000 000.
  std::uint64_t max_skips = 0;     // More bad rows than this and the step fails.
};

// Statements in one transaction on one connection. They may use $now, $today and $yesterday.
struct SqlStep {
  std::string name{};  // For messages: the file it came from.
  std::string sql{};
  sql::Rules allow{};  // What a guarded store lets pass here.
};

// Publishes a replica, named as the pipeline names it.
struct PublishStep {
  std::string replica{};
};

// A program, in a process group of its own, which is ended when the run is stopped or loses its lease. It may run
// twice: when its end was not recorded.
struct CommandStep {
  std::vector<std::string> argv{};
  std::map<std::string, std::string> env{};  // Added. TIDELOCK_RUN, TIDELOCK_OWNER and the like are there anyway.
  std::optional<base::Path> folder{};        // Working folder.
  base::Duration timeout = base::Duration::max();
};

// Queues a run of another job. It happens once, also when this step is repeated.
struct TriggerStep {
  std::string job{};
};

using What = std::variant<ChunkStep, SqlStep, PublishStep, CommandStep, TriggerStep>;

struct Step {
  std::string name{};  // Unique in its job. Together with its place what a run resumes by.
  What what{};
  std::optional<int>
      max_attempts{};  // The first included, each in a transaction of its own. Empty: 3; 1 for a command.
  // Between two attempts, outside any transaction.
  base::BackoffOptions backoff{};
};

// "chunk", "sql", "publish", "command", "trigger".
std::string_view kind_name(const What& what);

// What becomes of moments at which the job was due and nobody was there to run it.
enum class Missed {
  none,  // Recorded as missed.
  once,  // The last one is run, the others are recorded as missed.
  all,   // Each is run, in order.
};

// What a run does that finds its group, or another run of its job, at work. One that has begun earlier, of `first`, or
// that an operator continues waits in any case.
enum class Overlap {
  wait,  // Its turn comes: first come, first served.
  skip,  // It is recorded as skipped.
};

// Runs of jobs in one group never overlap (more precisely: at most `slots` at a time), however they were started. With
// several slots two runs of one job may go on at once.
// `tidelock lock run --group NAME` takes a slot of the same group.
struct Group {
  std::string name{};
  std::uint32_t slots = 1;
};

struct Job {
  std::string name{};
  std::string store{};                 // Of its chunk and SQL steps; may be empty without such.
  std::optional<Schedule> schedule{};  // Empty: by hand or by trigger only, or `first`.
  bool first = false;                  // "@first": once, before anything else runs; resumed until it is complete.
  Missed missed = Missed::none;
  std::optional<Group> group{};  // Empty: runs of this job exclude each other, and nobody else.
  Overlap overlap = Overlap::wait;
  std::vector<Step> steps{};
};

// Of the lock that a run holds while it works: "group/<group>", or "job/<job>" without a group.
std::string slot_key(const Job& job);
std::string group_key(std::string_view group);

// What is wrong with a job, for which no source of text is needed: empty names and steps, a key that is no field,
// numbers out of range, conditions that do not parse. `where` is a key as the pipeline file has it ("step", "key"),
// `step` counts from 0 and is empty for the job itself.
struct Mistake {
  std::optional<std::size_t> step{};
  std::string where{};
  std::string what{};
};
std::vector<Mistake> find_mistakes(const Job& job);

}  // namespace tidelock::batch
