// What replicas need to know of one engine's files. Implemented in backends/, called by FileCopier only.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/copier.h"

namespace tidelock::replica {

// Where a master stands now, as far as its files tell.
struct MasterState {
  std::string engine;
  std::string position;         // As in a manifest.
  std::uint64_t log_bytes = 0;  // DuckDB: in its log, not yet in its file.
};

// Opens one copy to read only. Made while the copy is: what an engine needs to begin, it does then.
class Checker {
 public:
  virtual ~Checker() = default;
  // Errors: not_a_database, corrupt, newer_schema, and what the engine says.
  virtual void check(const base::Path& copy, const Copied& copied, const std::stop_token& stop) = 0;
};

// Thread-safe. The calls have the errors of Copier's.
class FileEngine {
 public:
  virtual ~FileEngine() = default;
  virtual std::string_view name() const = 0;  // The scheme of its URLs.
  virtual bool owns(std::span<const std::byte> first_bytes) const = 0;
  // Leaves a complete copy, not synced. Does not look at the hold but for whether there is one.
  virtual Copied copy(const CopyRequest& request, const std::stop_token& stop) = 0;
  virtual std::unique_ptr<Checker> make_checker() = 0;
  virtual MasterState look(const base::Path& master) = 0;
};

}  // namespace tidelock::replica
