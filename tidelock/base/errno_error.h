// Turns errno into an Error: the error table of the operating system.
#pragma once

#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/base/files.h"

namespace tidelock::base {

// What an errno of a system call means to a caller. A number that is not in the table is io_error.
Code errno_code(int number);

// "/var/x.db: it could not be opened [Permission denied (13)]". `what` says what failed, `path` what it was done to
// (may be empty), which is also Error::object().
Error errno_error(int number, const Path& path, std::string_view what);

}  // namespace tidelock::base
