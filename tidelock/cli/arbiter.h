// The state that a command line names with --on.
#pragma once

#include <memory>
#include <string>

#include "tidelock/cli/program.h"
#include "tidelock/lock/backend.h"

namespace tidelock::cli {

// Locks that other processes see too. Errors: invalid_argument for a URL that names no such thing; unsupported for one
// whose locks other processes cannot see; those of opening it.
std::unique_ptr<lock::Backend> open_arbiter(const Outside& outside, const std::string& url,
                                            const lock::OpenOptions& options);

// Whether there is a state, or at least nothing says that there is none.
bool arbiter_exists(const Outside& outside, const std::string& url);

// A URL as it may be shown: without passwords. Error: invalid_argument.
std::string shown_url(const std::string& url);

}  // namespace tidelock::cli
