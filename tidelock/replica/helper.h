// The other side of helper_process.h: what `tidelock replica-helper …` does.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/copier.h"

namespace tidelock::replica {

// Its first argument on the command line of the program; not for people.
inline constexpr const char* kHelperCommand = "replica-helper";

// The command line. With a hold, the helper gets ready and begins when it hears the first byte from its parent.
std::vector<std::string> helper_arguments(const CopyRequest& request);

// What is answered on standard output, a JSON object a line: with a hold, first that it may be released; at last what
// was copied, or an error.
bool may_release(const std::string& line);
Copied parse_copied(const std::string& line);  // Throws the Error that the helper answered.

// Does what the arguments (those after kHelperCommand) say; errors are answers, too. Stops when `parent` comes to its
// end: whoever started it has gone. `answer` gets each line and sends it off.
void run_helper(std::span<const std::string> arguments, base::Runtime& runtime, base::Files& files,
                const base::Descriptor& parent, const std::function<void(const std::string& line)>& answer);

}  // namespace tidelock::replica
