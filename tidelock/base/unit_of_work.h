// What a task works on, for everything that reports: the spy, the log, traces.
//
//   const auto scope = base::kUnitOfWork.set(runtime, {.job = "close_day", .run = "12", .step = "totals"});
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tidelock/base/context.h"

namespace tidelock::base {

// Plain data; what does not apply is empty. Jobs set it for the tasks of their runs; anybody else may.
struct UnitOfWork {
  std::string job{};
  std::string run{};                    // Which execution of the job.
  std::string step{};                   //
  std::optional<std::int64_t> token{};  // The fencing token under which it writes.
};

inline constexpr TaskLocal<UnitOfWork> kUnitOfWork;

}  // namespace tidelock::base
