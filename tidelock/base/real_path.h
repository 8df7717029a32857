// One name for a file, however it is spelled.
#pragma once

#include "tidelock/base/files.h"

namespace tidelock::base {

// `path` from the root, with symlinks, `.` and `..` resolved; what does not exist yet is taken as written. Looks at
// names only: no file is opened. Errors: invalid_argument for symlinks in a circle; those of Files.
Path real_path(Files& files, const Path& path);

}  // namespace tidelock::base
