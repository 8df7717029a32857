// DuckDB's files.
#pragma once

#include <string_view>

#include "tidelock/replica/file_engine.h"

namespace tidelock::replica::duckdb {

// Position: the iteration, which each checkpoint that changes something raises.
class Engine final : public FileEngine {
 public:
  Engine(base::Runtime& runtime, base::Files& files) : runtime_(runtime), files_(files) {}

  std::string_view name() const override { return "duckdb"; }
  bool owns(std::span<const std::byte> first_bytes) const override;
  Copied copy(const CopyRequest& request, const std::stop_token& stop) override;
  std::unique_ptr<Checker> make_checker() override;
  MasterState look(const base::Path& master) override;

 private:
  base::Runtime& runtime_;
  base::Files& files_;
};

}  // namespace tidelock::replica::duckdb
