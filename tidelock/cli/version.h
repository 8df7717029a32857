// What `tidelock --version` says.
#pragma once

#include <string>

namespace tidelock::cli {

// The version of Tidelock, then a line for each engine: its version, or why it is not there.
std::string version_text();

}  // namespace tidelock::cli
