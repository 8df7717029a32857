// Copying and checking in this process: what the helper does, for the engines that are compiled in.
//
// Only where no database of this process has the master open (see helper_process.h).
#pragma once

#include <memory>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/copier.h"
#include "tidelock/replica/file_engine.h"

namespace tidelock::replica {

// Thread-safe.
class FileCopier final : public Copier {
 public:
  FileCopier(base::Runtime& runtime, base::Files& files);

  Copied make(const CopyRequest& request, const std::stop_token& stop) override;
  MasterState look(const base::Path& master);  // Errors: not_found, not_a_database, newer_schema, …

 private:
  FileEngine& engine_of(const base::Path& master);

  void sync_and_check(const CopyRequest& request, const Copied& copied, Checker& checker, const std::stop_token& stop);

  base::Runtime& runtime_;
  base::Files& files_;
  std::vector<std::unique_ptr<FileEngine>> engines_;
};

}  // namespace tidelock::replica
