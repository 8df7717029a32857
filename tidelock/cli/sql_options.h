// `tidelock sql …` on a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/cli/row_printer.h"
#include "tidelock/sql/guard.h"

namespace CLI {
class App;
}

namespace tidelock::cli {

// How a database is opened.
struct SqlOpen {
  std::string url;
  sql::Rules allow;
  std::optional<base::Duration> timeout;
  bool read_only = false;
  bool create = false;
  bool json = false;
};
struct SqlRun {
  SqlOpen open;
  std::string text;  // "-": what is read from the standard input.
  RowFormat format = RowFormat::table;
  bool transaction = false;
};
struct SqlDelete {
  SqlOpen open;
  std::string statement;
  std::int64_t chunk_rows = 10'000;
  std::optional<double> rows_per_second;
  std::vector<std::string> key;
  std::string after;
  bool count = false;
  bool reads_own_table = false;
};

// The options as typed. Lives as long as the CLI::App that it was added to is used.
class SqlOptions {
 public:
  void add_to(CLI::App& root);

  bool is_run(const CLI::App* command) const { return command == app_ && statement_.empty(); }
  bool is_delete(const CLI::App* command) const { return command == app_ && !statement_.empty(); }
  // Errors: UsageError.
  SqlRun run() const;
  SqlDelete deletion() const;

 private:
  SqlOpen open() const;
  bool typed(const char* option) const;

  CLI::App* app_ = nullptr;
  std::string url_, text_, statement_, timeout_, chunk_, rate_, after_, format_ = "table";
  std::vector<std::string> allow_, key_;
  bool json_ = false, read_only_ = false, create_ = false, transaction_ = false, count_ = false,
       reads_own_table_ = false;
};

}  // namespace tidelock::cli
