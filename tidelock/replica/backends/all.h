// The engines whose files can be replicated, as far as they are compiled in.
#pragma once

#include <memory>
#include <vector>

#include "tidelock/replica/file_engine.h"

namespace tidelock::replica {

// Borrow runtime and files.
std::vector<std::unique_ptr<FileEngine>> file_engines(base::Runtime& runtime, base::Files& files);

}  // namespace tidelock::replica
