// Copying and checking by the program `tidelock`, in a process of its own.
//
// Not in the caller's process: there, opening and closing a file drops the kernel's lock of a database that has it
// open, and an engine that stumbles over a bad copy takes the process along.
#pragma once

#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/process.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/copier.h"

namespace tidelock::replica {

// Thread-safe. The helper ends when this process does, however it ends. Errors of its calls: also not_found (there is
// no such program) and unavailable (it was killed).
class HelperProcess final : public Copier {
 public:
  // `program` empty: see PublisherOptions.
  HelperProcess(base::Runtime& runtime, base::Files& files, base::Path program);

  Copied make(const CopyRequest& request, const std::stop_token& stop) override;

 private:
  Copied talk(base::ChildProcess& child, const CopyRequest& request, const std::stop_token& stop);

  base::Runtime& runtime_;
  std::string program_;
};

}  // namespace tidelock::replica
