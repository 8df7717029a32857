#include "tidelock/cli/lock_view.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/json_text.h"
#include "tidelock/cli/table.h"

namespace tidelock::cli {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

std::string since(const lock::ClaimState& claim, const ViewContext& context) {
  return fmt::format("{} ({} ago)", utc(claim.since), rough(context.now - claim.since));
}

std::string expiry(const lock::ClaimState& claim) {
  if (claim.expires_in > base::Duration::zero()) return rough(claim.expires_in);
  return fmt::format("{} ago", rough(-claim.expires_in));
}

std::string token(const lock::ClaimState& claim) {
  return claim.token ? std::to_string(claim.token->value) : std::string("none");
}

// Names with nothing odd in them as they are, others quoted.
std::string plain(const std::string& name) {
  const auto shown = base::quoted(name, name.size());
  const bool odd = shown.size() != name.size() + 2 || name.find(' ') != std::string::npos;
  return odd ? shown : name;
}

Json claim_json(const lock::ClaimState& claim) {
  return {{"host", claim.host},        {"pid", claim.pid},
          {"owner", claim.owner},      {"claim", claim.id.to_string()},
          {"since", utc(claim.since)}, {"expires_in_ms", duration_cast<milliseconds>(claim.expires_in).count()}};
}

Json state_json(const lock::KeyState& state) {
  auto holders = Json::array();
  for (const auto& claim : state.holders) {
    auto holder = claim_json(claim);
    holder["token"] = claim.token ? Json(claim.token->value) : Json(nullptr);
    holders.push_back(std::move(holder));
  }
  auto waiters = Json::array();
  for (const auto& claim : state.waiters) waiters.push_back(claim_json(claim));
  const auto& claims = state.holders.empty() ? state.waiters : state.holders;
  return {{"name", state.key},
          {"permits", claims.empty() ? Json(nullptr) : Json(claims.front().permits)},
          {"holders", std::move(holders)},
          {"waiters", std::move(waiters)}};
}

}  // namespace

std::string utc(base::WallTime time) {
  return fmt::format("{:%FT%TZ}", std::chrono::floor<std::chrono::seconds>(time));
}

std::string rough(base::Duration duration) {
  using namespace std::chrono_literals;
  if (duration < 0ns) duration = 0ns;
  if (duration < 1s) return base::format_duration(duration_cast<milliseconds>(duration));
  if (duration < 1h) return base::format_duration(std::chrono::floor<std::chrono::seconds>(duration));
  if (duration < 24h) return base::format_duration(std::chrono::floor<std::chrono::minutes>(duration));
  return base::format_duration(std::chrono::floor<std::chrono::hours>(duration));
}

std::string holder_name(const lock::ClaimState& claim) { return fmt::format("{}:{}", plain(claim.host), claim.pid); }

std::string lock_table(const std::vector<lock::KeyState>& locks, const ViewContext& context) {
  if (locks.empty()) return fmt::format("no locks are held or waited for in {}\n", context.state);
  std::vector<std::vector<std::string>> rows{{"NAME", "HOLDER", "SINCE", "EXPIRES IN", "TOKEN", "WAITING"}};
  for (const auto& state : locks) {
    const auto waiting = std::to_string(state.waiters.size());
    if (state.holders.empty()) rows.push_back({plain(state.key), "nobody", "-", "-", "-", waiting});
    for (const auto& holder : state.holders) {
      rows.push_back(
          {plain(state.key), holder_name(holder), since(holder, context), expiry(holder), token(holder), waiting});
    }
  }
  return table(rows);
}

std::string lock_details(const lock::KeyState& state, const ViewContext& context) {
  if (state.holders.empty() && state.waiters.empty()) {
    return fmt::format("{} is free in {}\n", plain(state.key), context.state);
  }
  std::string out = fmt::format("{} in {}\n", plain(state.key), context.state);
  if (state.holders.empty()) out += "held by nobody\n";
  for (const auto& holder : state.holders) {
    out += fmt::format("held by {}\n", holder_name(holder));
    out += fmt::format("  owner       {}\n", plain(holder.owner));
    out += fmt::format("  since       {}\n", since(holder, context));
    out += fmt::format("  expires in  {}\n", expiry(holder));
    out += fmt::format("  token       {}\n", token(holder));
    if (holder.permits > 1) out += fmt::format("  permits     {} of {}\n", state.holders.size(), holder.permits);
  }
  for (std::size_t i = 0; i < state.waiters.size(); ++i) {
    const auto& waiter = state.waiters[i];
    out += fmt::format("{}. waiting: {}\n", i + 1, holder_name(waiter));
    out += fmt::format("  owner       {}\n", plain(waiter.owner));
    out += fmt::format("  since       {}\n", since(waiter, context));
  }
  return out;
}

std::string locks_json(const std::vector<lock::KeyState>& locks, const ViewContext& context) {
  auto list = Json::array();
  for (const auto& state : locks) list.push_back(state_json(state));
  return json_text({{"state", context.state}, {"locks", std::move(list)}}, kIndented) + "\n";
}

std::string lock_json(const lock::KeyState& state, const ViewContext& context) {
  auto json = state_json(state);
  json["state"] = context.state;
  return json_text(json, kIndented) + "\n";
}

std::string break_json(const lock::KeyState& before, bool broken, const ViewContext& context) {
  auto json = state_json(before);
  json["state"] = context.state;
  json["broken"] = broken;
  return json_text(json, kIndented) + "\n";
}

}  // namespace tidelock::cli
