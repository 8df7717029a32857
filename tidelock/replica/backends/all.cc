#include "tidelock/replica/backends/all.h"

#if TIDELOCK_HAVE_DUCKDB
#include "tidelock/replica/backends/duckdb/engine.h"
#endif
#if TIDELOCK_HAVE_SQLITE
#include "tidelock/replica/backends/sqlite/engine.h"
#endif

namespace tidelock::replica {

std::vector<std::unique_ptr<FileEngine>> file_engines([[maybe_unused]] base::Runtime& runtime,
                                                      [[maybe_unused]] base::Files& files) {
  std::vector<std::unique_ptr<FileEngine>> all;
#if TIDELOCK_HAVE_DUCKDB
  all.push_back(std::make_unique<duckdb::Engine>(runtime, files));
#endif
#if TIDELOCK_HAVE_SQLITE
  all.push_back(std::make_unique<sqlite::Engine>(runtime, files));
#endif
  return all;
}

}  // namespace tidelock::replica
