#include "tidelock/batch/conformance/engines.h"

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/world/world.h"

namespace tidelock::batch::conformance {
namespace {

using Body = std::function<void(const Place&)>;

Engine in_world() {
  const auto run = [](const Body& body) {
    world::World world(1);
    world.run([&](base::Runtime& runtime) {
      world.files().create_folders("/data");
      body({runtime, world.files(), "/data", testing::bench_files("/data")});
    });
  };
  return {"SqliteInWorld", run, sql::testing::why_not_here("sqlite")};
}

Engine in_files(std::string name, const std::string& engine) {
  const auto run = [engine](const Body& body) {
    base::RealRuntime runtime;
    base::RealFiles files(runtime);
    const base::testing::TempFolder folder;
    body({runtime, files, folder.path(), testing::bench_files(folder.path(), engine)});
  };
  return {std::move(name), run, sql::testing::why_not_here(engine)};
}

// State, locks and store in one database.
Engine on_server(std::string name, const std::string& engine) {
  const auto run = [engine](const Body& body) {
    base::RealRuntime runtime;
    base::RealFiles files(runtime);
    const base::testing::TempFolder folder;
    const sql::testing::OwnDatabase own(runtime, files, sql::testing::server_variable(engine));
    body({runtime,
          files,
          folder.path(),
          {.state = own.url(), .locks = testing::bench_files(folder.path()).locks, .store = own.url()}});
  };
  return {std::move(name), run, sql::testing::why_not_here(engine)};
}

}  // namespace

// One line an engine: a new one is added here.
std::vector<Engine> stores_to_test() {
  return {in_world(), in_files("Sqlite", "sqlite"), in_files("Duckdb", "duckdb"), on_server("Postgres", "postgres"),
          on_server("Mariadb", "mariadb")};
}

std::vector<Engine> servers_to_test() { return {on_server("Postgres", "postgres"), on_server("Mariadb", "mariadb")}; }

std::vector<Engine> states_to_test() {
  return {in_world(), in_files("Sqlite", "sqlite"), on_server("Postgres", "postgres"), on_server("Mariadb", "mariadb")};
}

}  // namespace tidelock::batch::conformance
