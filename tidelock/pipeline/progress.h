// What is told while a pipeline runs, for people who watch it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tidelock/base/log.h"
#include "tidelock/base/time.h"

namespace tidelock::pipeline {

struct Progress {
  enum class Kind {
    note,    // Something happened.
    detail,  // Every run's begin and end: much of it where jobs run often.
    output,  // A line that a service or a command wrote.
    day,     // A day of the replay is over.
  } kind = Kind::note;
  base::LogLevel level = base::LogLevel::info;
  std::string about;                       // A job, a service, a store; empty: the pipeline.
  std::string text;                        // One line.
  std::optional<base::WallTime> market{};  // In a replay: the time there.
};

// Called by several tasks at once. Throws nothing.
using Say = std::function<void(const Progress&)>;

}  // namespace tidelock::pipeline
