// Sees every statement of the databases it observes, and writes them down.
//
//   auto spy = std::make_shared<sql::spy::Spy>(runtime, files, sql::spy::Options{.file = {{.path = "spy.log"}}});
//   db->observe(spy);
//
// Each entry has the text, the bound values, rows, microseconds, connection and transaction, and the job, run, step and
// fencing token that the task works for (base::kUnitOfWork). Files and logs are written by a task of the spy: whatever
// becomes of them, the statement neither waits nor fails, and what could not be written is counted in dropped().
//
// Values of secret columns are masked (see secrets.h), and so are those bound as a base::Secret. Of a failure only the
// code is logged where the statement or the engine's words name such a column: the words may hold what is stored there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/log.h"
#include "tidelock/base/metrics.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/observer.h"
#include "tidelock/sql/spy/filter.h"
#include "tidelock/sql/spy/sink.h"
#include "tidelock/sql/spy/writer.h"

namespace tidelock::sql::spy {

struct Options {
  FilterOptions filter{};
  std::vector<std::string> secret_names{};  // See SecretNames.
  base::Duration still_running{};           // A statement that runs is logged each such interval, as outage. 0: not.

  std::optional<FileOptions> file{};           //
  std::vector<std::shared_ptr<Sink>> sinks{};  // Others, such as LogSink and LineSink.
  FormatOptions format{};                      // Of the file.
  std::size_t recent = 0;                      // Records that recent() keeps.
  // tidelock_sql_statements_total{database,category}, tidelock_sql_statement_seconds{database} of what passes the
  // filter, and tidelock_sql_spy_dropped. Borrowed.
  base::Metrics* metrics = nullptr;

  std::size_t value_limit_bytes = 16'384;  // Of one value; the rest of it is cut off.
  QueueOptions queue{};
  Say say{};  // About sinks that cannot be written. Empty: nobody is told, dropped() counts.
};

// Thread-safe. Borrows runtime and files. Destroying it writes what is queued.
class Spy final : public Observer {
 public:
  // Errors: invalid_argument for an expression, a format or a limit. The file is opened when there is something to
  // write.
  Spy(base::Runtime& runtime, base::Files& files, Options options);
  ~Spy() override;

  // The last records, oldest first.
  std::vector<RecordPtr> recent() const;
  // Waits until what was seen so far is written or dropped. False at the deadline.
  bool flush(base::Deadline deadline);
  std::uint64_t dropped() const;

  void on_observed() noexcept override;
  // When no database is observed any more: waits, up to a second, until what was seen is written and the file closed.
  void on_removed() noexcept override;
  void on_start(const StatementEvent& event) noexcept override;
  void on_statement(const StatementEvent& event) noexcept override;
  void on_hook_error(std::uint64_t transaction, const std::exception& error) noexcept override;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace tidelock::sql::spy
