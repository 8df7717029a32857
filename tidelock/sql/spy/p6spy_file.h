// A P6Spy configuration, spy.properties, as options of this spy.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/sql/spy/spy.h"

namespace tidelock::sql::spy {

struct P6SpyFile {
  enum class Appender { file, standard_output, log };

  Options options;  // The file is there in any case; use it as the appender says.
  Appender appender = Appender::file;
  // Keys that mean nothing here, each with its line and the reason or what to use instead.
  std::vector<std::string> notes;

  // Adds the sinks of its appender, with the format as it is by now. `log`: for Slf4JLogger, borrowed; null: one for
  // people on standard error.
  Options with_sinks(base::Log* log) const;
};

// P6Spy's defaults hold for what is not written, with these exceptions: a log file is turned over at 64 MiB, and the
// literals are the engine's unless a databaseDialect… key is written.
// Errors: invalid_argument with file and line for a value that cannot be; those of parse_properties().
P6SpyFile parse_p6spy(std::string_view text, std::string_view file_name);
P6SpyFile load_p6spy(base::Files& files, const base::Path& path);  // Errors: also those of Files.

}  // namespace tidelock::sql::spy
