// The program `tidelock`: the real outside for cli/program.h.
#include <iostream>
#include <string>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/output.h"
#include "tidelock/cli/program.h"
#include "tidelock/cli/signals.h"
#include "tidelock/cli/terminal.h"

namespace {

tidelock::cli::Outcome run(const std::vector<std::string>& arguments) {
  try {
    tidelock::base::RealRuntime runtime;
    tidelock::base::RealFiles files(runtime);
    tidelock::cli::OutputBuffer buffer(*std::cout.rdbuf());
    std::ostream out(&buffer);
    return tidelock::cli::run_program(arguments, {runtime, files, out, std::cerr});
  } catch (const std::exception& error) {  // No runtime: TIDELOCK_OWNER is malformed, or there is no /proc.
    if (const auto text = tidelock::cli::answer_without_runtime(arguments)) {
      std::cout << *text << std::flush;
      return {};
    }
    return tidelock::cli::tell(tidelock::cli::Failure::of(error), arguments, std::cerr);
  }
}

}  // namespace

int main(int argc, char** argv) {
  tidelock::cli::open_missing_standard_streams();
  const auto outcome = run({argv + 1, argv + argc});
  if (outcome.signal) tidelock::cli::end_by_signal(*outcome.signal);
  return outcome.exit;
}
