#include "tidelock/batch/job.h"

#include <array>

namespace tidelock::batch {

std::string_view kind_name(const What& what) {
  constexpr std::array<std::string_view, 5> kNames{"chunk", "sql", "publish", "command", "trigger"};
  static_assert(kNames.size() == std::variant_size_v<What>);
  return kNames[what.index()];
}

std::string group_key(std::string_view group) { return "group/" + std::string(group); }

std::string slot_key(const Job& job) { return job.group ? group_key(job.group->name) : "job/" + job.name; }

}  // namespace tidelock::batch
