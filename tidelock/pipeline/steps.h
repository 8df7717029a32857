// The steps of a job, read from a pipeline file.
#pragma once

#include <optional>
#include <span>

#include "tidelock/base/files.h"
#include "tidelock/batch/job.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/pipeline/places.h"
#include "tidelock/pipeline/section.h"
#include "tidelock/sql/dialect.h"

namespace tidelock::pipeline {

// What steps refer to.
struct StepContext {
  base::Files& files;
  const Places& places;
  std::span<const batch::Record> records;
  std::span<const base::Path> program_folders;
  std::optional<sql::Lexis> lexis{};  // Of the job's store; empty: it names none that is right.
};

// Empty when it cannot be told what the step is to do: that is a mistake then, as is all else that is wrong.
std::optional<batch::Step> read_step(const Section& section, const StepContext& context);

// A program and its arguments, with {work} replaced; the program with its path where it was found, else a mistake.
std::vector<std::string> read_program(const Section& section, const StepContext& context);

}  // namespace tidelock::pipeline
