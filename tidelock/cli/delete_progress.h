// How far a deletion is: a line that changes on a terminal, now and then a line elsewhere, JSON lines for programs.
#pragma once

#include <string>

#include "tidelock/cli/program.h"
#include "tidelock/sql/delete_in_chunks.h"

namespace tidelock::cli {

// Progress goes to outside.err, the result to outside.out. Used by one task.
class DeleteProgressView {
 public:
  DeleteProgressView(Outside outside, bool json);

  void progress(const sql::DeleteProgress& progress);
  void result(const sql::DeleteResult& result);
  // An error follows: says what was deleted before it, and from where to go on.
  void failed();

 private:
  void end_line();

  Outside outside_;
  const bool json_;
  const bool terminal_;
  base::Instant next_;  // No line before.
  bool line_open_ = false;
  sql::DeleteProgress last_;
};

// deleted 20000 of 100000 rows (20.0 %), 5000 rows/s, 16s left, at [20000]
std::string progress_text(const sql::DeleteProgress& progress);

}  // namespace tidelock::cli
