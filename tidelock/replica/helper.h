// The other side of helper_process.h: what `tidelock replica-helper …` does.
#pragma once

#include <span>
#include <string>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/copier.h"

namespace tidelock::replica {

// Its first argument on the command line of the program; not for people.
inline constexpr const char* kHelperCommand = "replica-helper";

// The command lines, and what is answered on standard output: one JSON object.
std::vector<std::string> helper_arguments(const CopyRequest& request);
std::vector<std::string> helper_arguments(const CheckRequest& request);
Copied parse_copied(const std::string& answer);  // Throws the Error that the helper answered.
void parse_checked(const std::string& answer);

// Does what the arguments (those after kHelperCommand) say, and returns the answer, also for an error. Stops when
// `parent` comes to its end: whoever started it has gone.
std::string run_helper(std::span<const std::string> arguments, base::Runtime& runtime, base::Files& files,
                       const base::Descriptor& parent);

}  // namespace tidelock::replica
