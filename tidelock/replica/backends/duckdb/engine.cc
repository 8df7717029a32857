#include "tidelock/replica/backends/duckdb/engine.h"

#include <memory>
#include <string>
#include <vector>

#include "tidelock/replica/backends/duckdb/copy.h"
#include "tidelock/replica/backends/duckdb/header.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::replica::duckdb {
namespace {

std::string as_literal(const std::string& text) {
  std::string literal = "'";
  for (const char byte : text) literal.append(byte == '\'' ? 2 : 1, byte);
  return literal + "'";
}

// Loading the engine and making an instance takes longer than opening a file with it: the instance is there before the
// copy, which is attached to it.
class AttachingChecker final : public Checker {
 public:
  AttachingChecker(base::Runtime& runtime, base::Files& files)
      : engine_(sql::open(runtime, files, base::Url::parse("duckdb::memory:"), {.max_connections = 1})),
        connection_(engine_->connect()) {}

  void check(const base::Path& copy, const Copied& copied, const std::stop_token& stop) override {
    connection_.execute("attach " + as_literal(copy.string()) + " as candidate (read_only)");
    auto reading = connection_.begin({.stop = stop});
    const auto& dialect = engine_->dialect();
    std::vector<std::string> tables;  // Asking for them reads the whole catalog.
    for (auto row :
         reading.query("select schema_name, table_name from duckdb_tables() where database_name = 'candidate'")) {
      tables.push_back("candidate." + dialect.quote(row.get<std::string>(0)) + "." +
                       dialect.quote(row.get<std::string>(1)));
    }
    if (copied.doubtful_blocks == 0) return;
    for (const auto& table : tables) {
      for (auto row : reading.query("select cast(bit_xor(hash(t)) as varchar) from " + table + " t")) {
        static_cast<void>(row);
      }
    }
  }

 private:
  std::unique_ptr<sql::Database> engine_;
  sql::Connection connection_;
};

}  // namespace

bool Engine::owns(std::span<const std::byte> first_bytes) const { return is_duckdb(first_bytes); }

Copied Engine::copy(const CopyRequest& request, const std::stop_token& stop) {
  return Copy(runtime_, files_, request, stop).run();
}

MasterState Engine::look(const base::Path& master) {
  const auto file = files_.open(master, base::OpenMode::read);
  const auto header = read_steady_header(runtime_, *file, master);
  return {.engine = {}, .position = std::to_string(header.iteration), .log_bytes = log_bytes(files_, master)};
}

std::unique_ptr<Checker> Engine::make_checker() { return std::make_unique<AttachingChecker>(runtime_, files_); }

}  // namespace tidelock::replica::duckdb
