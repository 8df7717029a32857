#include "tidelock/cli/group_lock.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/batch/job.h"
#include "tidelock/cli/failure.h"
#include "tidelock/pipeline/pipeline.h"

namespace tidelock::cli {
namespace {

constexpr auto kPipeline = "pipeline.toml";

std::string settle_from_pipeline(LockRun& options, const std::string& file, Outside outside) {
  const auto pipeline = pipeline::load(
      outside.files, file,
      {.from = outside.files.read_symlink("/proc/self/cwd"), .work = std::nullopt, .program_folders = {}});
  const auto group =
      std::ranges::find_if(pipeline.groups, [&](const batch::Group& each) { return each.name == options.group; });
  if (group == pipeline.groups.end()) {
    std::vector<std::string> known;
    for (const auto& each : pipeline.groups) known.push_back(each.name);
    throw UsageError(fmt::format("{} has no group {}", file, base::quoted(options.group)),
                     known.empty() ? "write [group.NAME] there, or name a lock without --group"
                                   : fmt::format("its groups are {}", base::listed(known)));
  }
  options.on = pipeline.settings.state;
  if (!options.permits_given) options.permits = group->slots;
  return fmt::format("of {}, in {}, {} {}", file, base::Url::parse(options.on).to_string(), options.permits,
                     options.permits == 1 ? "slot" : "slots");
}

}  // namespace

void settle_group(LockRun& options, Outside outside) {
  if (options.group.empty() || options.on_given) return;
  std::string found;
  if (options.file || outside.files.info(kPipeline)) {
    found = settle_from_pipeline(options, options.file.value_or(kPipeline), outside);
  } else if (outside.files.info(base::Url::parse(kDefaultState).path)) {
    found = fmt::format("in {}, {} at a time", kDefaultState, options.permits);
  } else {
    throw UsageError(fmt::format("there is no {} here to say where the slots of group {} are", kPipeline,
                                 base::quoted(options.group)),
                     "run it in the pipeline's folder, or name the pipeline with --file or its state with --on");
  }
  if (!options.verbose && ::isatty(STDERR_FILENO) != 1) return;
  outside.err << fmt::format("tidelock: group {} {}", base::quoted(options.group), found) << std::endl;
}

}  // namespace tidelock::cli
