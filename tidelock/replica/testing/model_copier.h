// A Copier for a World: copies an SQLite file that nobody writes meanwhile, through the Files of a process.
#pragma once

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/copier.h"

namespace tidelock::replica::testing {

class ModelCopier final : public Copier {
 public:
  ModelCopier(base::Runtime& runtime, base::Files& files) : runtime_(runtime), files_(files) {}

  Copied make(const CopyRequest& request, const std::stop_token& stop) override;

 private:
  base::Runtime& runtime_;
  base::Files& files_;
};

}  // namespace tidelock::replica::testing
