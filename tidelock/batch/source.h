// Where the rows of a chunk step come from.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/batch/job.h"
#include "tidelock/batch/moment.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/value.h"

namespace tidelock::batch {

// Used by one task. Views are valid until the next row is asked for.
class Source {
 public:
  virtual ~Source() = default;
  virtual const std::vector<std::string>& columns() const = 0;
  // False at the end. Errors: those of the source.
  virtual bool next() = 0;
  // Of the current row; a file's are text or null, and may be more or fewer than columns().
  virtual std::span<const sql::ValueView> values() const = 0;
  virtual std::string place() const = 0;  // Of the current row, for people: "bars.csv:12".
  virtual std::string name() const = 0;   // "bars.csv"
};

// Errors: those of CsvReader.
std::unique_ptr<Source> open_csv(base::Files& files, const CsvSource& source);
// Runs the query on a connection of its own, where it sees what is committed then. Errors: those of split_script();
// invalid_argument unless it is one statement with columns of different names; those of the engine.
std::unique_ptr<Source> open_query(sql::Database& store, const QuerySource& source, const Moment& moment);

}  // namespace tidelock::batch
