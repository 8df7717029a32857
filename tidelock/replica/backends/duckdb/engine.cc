#include "tidelock/replica/backends/duckdb/engine.h"

#include <memory>
#include <string>
#include <vector>

#include "tidelock/replica/backends/duckdb/copy.h"
#include "tidelock/replica/backends/duckdb/header.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::replica::duckdb {

bool Engine::owns(std::span<const std::byte> first_bytes) const { return is_duckdb(first_bytes); }

Copied Engine::copy(const CopyRequest& request, const std::stop_token& stop) {
  return Copy(runtime_, files_, request, stop).run();
}

MasterState Engine::look(const base::Path& master) {
  const auto file = files_.open(master, base::OpenMode::read);
  const auto header = read_steady_header(runtime_, *file, master);
  return {.engine = {}, .position = std::to_string(header.iteration), .log_bytes = log_bytes(files_, master)};
}

void Engine::check(const CheckRequest& request, const std::stop_token& stop) {
  base::Url url;
  url.scheme = name();
  url.path = request.copy.string();
  url.params = {{"mode", "ro"}};
  const auto database = sql::open(runtime_, files_, url, {.max_connections = 1});
  auto connection = database->connect();
  auto reading = connection.begin({.read_only = true, .stop = stop});
  std::vector<std::string> tables;  // Asking for them reads the whole catalog.
  for (auto row : reading.query("select schema_name, table_name from duckdb_tables() where not internal and not "
                                "temporary")) {
    const auto& dialect = database->dialect();
    tables.push_back(dialect.quote(row.get<std::string>(0)) + "." + dialect.quote(row.get<std::string>(1)));
  }
  if (!request.read_everything) return;
  for (const auto& table : tables) {
    for (auto row : reading.query("select cast(bit_xor(hash(t)) as varchar) from " + table + " t")) {
      static_cast<void>(row);
    }
  }
}

}  // namespace tidelock::replica::duckdb
