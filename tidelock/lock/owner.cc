#include "tidelock/lock/owner.h"

namespace tidelock::lock {

std::string current_owner(base::Runtime& runtime) {
  return std::string(TaskOwner(process_owner(runtime.identity()), runtime.current_task()).view());
}

std::string process_owner(const base::Identity& identity) {
  return identity.owner + "/" + std::to_string(identity.pid);
}

bool acts_for(std::string_view above, std::string_view owner) {
  return owner.starts_with(above) && (owner.size() == above.size() || owner[above.size()] == '/');
}

}  // namespace tidelock::lock
