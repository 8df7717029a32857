// Which processes of this machine hold locks on a file, as the kernel tells: for messages.
#pragma once

#include <sys/types.h>

#include <vector>

#include "tidelock/base/files.h"

namespace tidelock::base {

// Advisory, as fcntl() and File::try_lock() take them.
struct ProcessLock {
  pid_t pid;
  bool exclusive;
  ByteRange range;
};

// Of each process that holds some on the real file at `path`, this one too, whether they belong to the process or to an
// opening of the file. The latter are known of those processes only whose descriptors this one may look at. Empty where
// the system does not tell; throws nothing but for want of memory. Reads much of /proc: not for each call.
std::vector<ProcessLock> process_locks(const Path& path);

}  // namespace tidelock::base
