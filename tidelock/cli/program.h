// The program: what each command does. main() gives it the real outside.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {

// What the program has to do with the outside. Borrowed.
struct Outside {
  base::Runtime& runtime;
  base::Files& files;
  std::ostream& out;  // Results.
  std::ostream& err;  // Everything else, a line each.
};

// How the program ends.
struct Outcome {
  int exit = 0;
  std::optional<int> signal;  // End by this signal, as if it had not been handled: `exit` is 128 + it.
};

// `arguments` without the program's name. Call it while the process has one thread. Throws nothing that is an
// exception: failures are printed.
Outcome run_program(const std::vector<std::string>& arguments, Outside outside);

// Tells a failure on `err`, as JSON where the arguments ask for that.
Outcome tell(Failure failure, const std::vector<std::string>& arguments, std::ostream& err);

// What --version and --help print; empty for any other command line.
std::optional<std::string> answer_without_runtime(const std::vector<std::string>& arguments);

}  // namespace tidelock::cli
