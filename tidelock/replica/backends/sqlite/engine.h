// SQLite's files.
#pragma once

#include <string_view>

#include "tidelock/replica/file_engine.h"

namespace tidelock::replica::sqlite {

// Copies by SQLite's own backup in one step: what is committed when it begins is in the copy, whatever the journal mode
// of the master. The copy is in rollback mode, since readers of a WAL-mode file write beside it.
//
// Position: the change counter; in WAL mode <change counter>/<hash of the file>/<hash of its log>.
class Engine final : public FileEngine {
 public:
  Engine(base::Runtime& runtime, base::Files& files) : runtime_(runtime), files_(files) {}

  std::string_view name() const override { return "sqlite"; }
  bool owns(std::span<const std::byte> first_bytes) const override;
  Copied copy(const CopyRequest& request, const std::stop_token& stop) override;
  std::unique_ptr<Checker> make_checker() override;
  MasterState look(const base::Path& master) override;

 private:
  base::Runtime& runtime_;
  base::Files& files_;
};

}  // namespace tidelock::replica::sqlite
