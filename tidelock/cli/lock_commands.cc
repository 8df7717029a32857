#include "tidelock/cli/lock_commands.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tidelock/base/text.h"
#include "tidelock/cli/arbiter.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/failure.h"
#include "tidelock/cli/lock_view.h"
#include "tidelock/lock/key.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kRequest = 10s;

struct Found {
  ViewContext context;
  bool exists = false;  // The state, not the lock.
  std::vector<lock::KeyState> locks;
};

Found find_locks(const std::optional<Arbiter>& arbiter, const std::string& url, const std::optional<std::string>& name,
                 Outside outside) {
  Found found{{shown_url(url), outside.runtime.wall_now()}, arbiter.has_value(), {}};
  if (arbiter) found.locks = arbiter->backend().snapshot(name, outside.runtime.in(kRequest));
  return found;
}

Found find_locks(const std::string& url, const std::optional<std::string>& name, Outside outside) {
  return find_locks(Arbiter::open_existing(outside, url), url, name, outside);
}

lock::KeyState only(const Found& found, const std::string& name) {
  if (!found.locks.empty()) return found.locks.front();
  return {.key = name, .holders = {}, .waiters = {}};
}

void say_missing(const Found& found, Outside outside) {
  if (!found.exists) {
    outside.err << fmt::format("tidelock: {} does not exist: it is made by the first `tidelock lock run`\n",
                               found.context.state);
  }
}

}  // namespace

Outcome list_locks(const LockList& options, Outside outside) {
  const auto found = find_locks(options.on, std::nullopt, outside);
  if (!options.json) say_missing(found, outside);
  outside.out << (options.json ? locks_json(found.locks, found.context) : lock_table(found.locks, found.context));
  return {};
}

Outcome show_lock(const LockShow& options, Outside outside) {
  lock::check_key("lock name", options.name);
  const auto found = find_locks(options.on, options.name, outside);
  if (!options.json) say_missing(found, outside);
  const auto state = only(found, options.name);
  outside.out << (options.json ? lock_json(state, found.context) : lock_details(state, found.context));
  return {};
}

Outcome break_lock(const LockBreak& options, Outside outside) {
  lock::check_key("lock name", options.name);
  const auto arbiter = Arbiter::open_existing(outside, options.on);
  const auto found = find_locks(arbiter, options.on, options.name, outside);
  const auto state = only(found, options.name);
  const auto name = base::quoted(options.name);
  if (!state.holders.empty() && !options.yes) {
    if (!options.json) outside.out << lock_details(state, found.context);
    throw UsageError(fmt::format("{} would be taken from {}, whose command is ended when it finds out", name,
                                 state.holders.size() == 1 ? holder_name(state.holders.front())
                                                           : fmt::format("{} holders", state.holders.size())),
                     "say --yes to do it");
  }
  const bool broken =
      !state.holders.empty() && arbiter->backend().break_key(options.name, outside.runtime.in(kRequest));
  if (options.json) {
    outside.out << break_json(state, broken, found.context);
  } else if (broken) {
    outside.out << fmt::format("took {} from {}\n", name,
                               state.holders.size() == 1 ? holder_name(state.holders.front())
                                                         : fmt::format("{} holders", state.holders.size()));
  } else {
    outside.out << fmt::format("nobody holds {}: nothing to do\n", name);
  }
  return {};
}

}  // namespace tidelock::cli
