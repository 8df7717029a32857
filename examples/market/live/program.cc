#include "examples/market/live/program.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "tidelock/base/signals.h"

namespace market {
namespace base = tidelock::base;

int run_until_signalled(base::Runtime& runtime, std::string_view program,
                        const std::function<void(const std::stop_token&)>& body) {
  try {
    base::ProgramSignals signals(runtime, {SIGTERM, SIGINT});
    std::stop_source over;
    auto task = runtime.spawn(std::string(program), [&](const std::stop_token& stop) {
      try {
        body(stop);
      } catch (...) {
        over.request_stop();
        throw;
      }
      over.request_stop();
    });
    signals.next(base::Deadline::never(), over.get_token());
    task.request_stop();
    task.join();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", program, error.what());
    return 1;
  }
}

}  // namespace market
