// Who reads a replica and knows nothing of Tidelock: a program of its own that opens the link with the engine's own
// interface.
#pragma once

#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/process.h"
#include "tidelock/base/runtime.h"

namespace tidelock::replica::testing {

// Used by one task. Borrows runtime.
class PlainReader {
 public:
  // Of a query with one row of one column. Error: not_found without python3.
  PlainReader(base::Runtime& runtime, const std::string& engine, const base::Path& link, const std::string& query);

  // Opens the database, runs the query, closes it: what the query gave, or "error: " and what the engine said.
  std::string read();

 private:
  base::ChildProcess program_;
};

}  // namespace tidelock::replica::testing
