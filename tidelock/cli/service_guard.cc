#include "tidelock/cli/service_guard.h"

#include <fcntl.h>

#include <charconv>
#include <chrono>

#include "tidelock/base/descriptor.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/guard_process.h"

namespace tidelock::cli {

int run_service_guard(const std::vector<std::string>& arguments, base::Runtime& runtime, base::Files& files) {
  std::int64_t grace_ms = 0;
  if (arguments.size() < 2) return number(Exit::usage);
  const auto& text = arguments.front();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), grace_ms);
  if (error != std::errc() || end != text.data() + text.size()) return number(Exit::usage);
  const GuardOptions options{.command = {arguments.begin() + 1, arguments.end()},
                             .grace = std::chrono::milliseconds(grace_ms)};
  // The service must not have it: as long as anybody does, the end of the guard is not seen at the other end.
  ::fcntl(kServiceGuardSocket, F_SETFD, FD_CLOEXEC);
  const auto signals = SignalState::current();
  GuardProcess(runtime, files, base::Descriptor(kServiceGuardSocket), options, signals).run();
  return 0;
}

}  // namespace tidelock::cli
