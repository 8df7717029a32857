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

// Makes and changes nothing. What has lapsed is not shown: it holds nobody up, and is swept by the next who writes.
Found find_locks(const std::string& url, const std::optional<std::string>& name, Outside outside) {
  const auto arbiter = open_arbiter(outside, url, {.read_only = true});
  Found found{{shown_url(url), outside.runtime.wall_now()},
              arbiter_exists(outside, url),
              arbiter->snapshot(name, outside.runtime.in(kRequest))};
  const auto lapsed = [](const lock::ClaimState& claim) { return claim.expires_in <= base::Duration::zero(); };
  for (auto& state : found.locks) {
    std::erase_if(state.holders, lapsed);
    std::erase_if(state.waiters, lapsed);
  }
  std::erase_if(found.locks, [](const auto& state) { return state.holders.empty() && state.waiters.empty(); });
  return found;
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

namespace {

// Whom `lock break` is about: the holders, or, when nobody holds the lock, those whose places keep the others from it.
std::vector<lock::ClaimState> to_break(const lock::KeyState& state, const LockBreak& options) {
  auto claims = state.holders.empty() ? state.waiters : state.holders;
  if (options.token) {
    std::erase_if(claims, [&](const auto& claim) { return !claim.token || claim.token->value != *options.token; });
  }
  return claims;
}

std::string described(const std::vector<lock::ClaimState>& claims, const char* several) {
  return claims.size() == 1 ? holder_name(claims.front()) : fmt::format("{} {}", claims.size(), several);
}

// What --yes would do, and how to say it of these holders and no later ones.
[[noreturn]] void ask(const lock::KeyState& state, const std::vector<lock::ClaimState>& claims) {
  const auto name = base::quoted(state.key);
  if (state.holders.empty()) {
    throw UsageError(
        fmt::format("nobody holds {}, and the places of {} would be given up", name, described(claims, "waiters")),
        "say --yes to do it");
  }
  const auto& token = claims.front().token;
  throw UsageError(fmt::format("{} would be taken from {}, whose command is ended when it finds out", name,
                               described(claims, "holders")),
                   claims.size() == 1 && token ? fmt::format("say --yes --token {} to do it", token->value)
                                               : std::string("say --yes to do it"));
}

}  // namespace

Outcome break_lock(const LockBreak& options, Outside outside) {
  lock::check_key("lock name", options.name);
  const auto found = find_locks(options.on, options.name, outside);
  const auto state = only(found, options.name);
  const auto claims = to_break(state, options);
  if (!claims.empty() && !options.yes) {
    if (!options.json) outside.out << lock_details(state, found.context);
    ask(state, claims);
  }
  std::size_t broken = 0;
  if (!claims.empty()) {
    std::vector<base::Uuid> ids;
    for (const auto& claim : claims) ids.push_back(claim.id);
    const auto arbiter = open_arbiter(outside, options.on, {});
    broken = arbiter->break_claims(options.name, ids, outside.runtime.in(kRequest));
  }
  const auto name = base::quoted(options.name);
  if (options.json) {
    outside.out << break_json(state, broken != 0, found.context);
  } else if (broken == 0) {
    outside.out << (state.holders.empty() ? fmt::format("nobody holds {}: nothing to do\n", name)
                                          : fmt::format("those who held {} were gone already: nothing to do\n", name));
  } else if (state.holders.empty()) {
    outside.out << fmt::format("nobody holds {}: gave up the places of {}\n", name, described(claims, "waiters"));
  } else {
    outside.out << fmt::format("took {} from {}\n", name, described(claims, "holders"));
  }
  return {};
}

}  // namespace tidelock::cli
