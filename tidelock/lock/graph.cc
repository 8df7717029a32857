#include "tidelock/lock/graph.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/lock/owner.h"

namespace tidelock::lock {
namespace {

void drop_expired(std::vector<ClaimState>& claims) {
  std::erase_if(claims, [](const ClaimState& claim) { return claim.expires_in <= base::Duration::zero(); });
}

std::string time_of_day(base::WallTime time) {
  return fmt::format("{:%H:%M:%S}", std::chrono::floor<std::chrono::seconds>(time));
}

}  // namespace

Graph::Graph(std::vector<KeyState> keys) : keys_(std::move(keys)) {
  std::set<std::string_view> names;
  for (auto& key : keys_) {
    drop_expired(key.holders);
    drop_expired(key.waiters);
    key_numbers_.emplace(key.key, key_numbers_.size());
    for (const auto& claim : key.holders) names.insert(claim.owner);
    for (const auto& claim : key.waiters) names.insert(claim.owner);
  }
  for (const auto& name : names) {
    owner_numbers_.emplace(name, owners_.size());
    owners_.push_back({.name = name, .waits = {}, .above = {}});
  }
  for (const auto& key : keys_) {
    for (const auto& claim : key.waiters) owners_[owner_of(claim)].waits.push_back(&claim);
  }
  for (auto& owner : owners_) {
    for (auto slash = owner.name.find('/'); slash != owner.name.npos; slash = owner.name.find('/', slash + 1)) {
      const auto above = owner_numbers_.find(owner.name.substr(0, slash));
      if (above != owner_numbers_.end()) owner.above.push_back(above->second);
    }
  }
}

// Takes owners away until nobody else can go on.
class Graph::Reduction {
 public:
  explicit Reduction(const Graph& graph)
      : graph_(graph),
        stuck_(graph.owners_.size(), true),
        waits_left_(graph.owners_.size()),
        below_left_(graph.owners_.size()) {
    for (std::size_t i = 0; i < graph.owners_.size(); ++i) {
      waits_left_[i] = graph.owners_[i].waits.size();
      for (const auto above : graph.owners_[i].above) ++below_left_[above];
    }
  }

  std::vector<bool> run() && {
    for (std::size_t i = 0; i < stuck_.size(); ++i) take_away_if_free(i);
    std::vector<std::vector<bool>> served;
    for (const auto& key : graph_.keys_) served.emplace_back(key.waiters.size());
    do {
      changed_ = false;
      for (std::size_t i = 0; i < graph_.keys_.size(); ++i) serve(graph_.keys_[i], served[i]);
    } while (changed_);
    return std::move(stuck_);
  }

 private:
  bool is_stuck(const ClaimState& claim) const { return stuck_[graph_.owner_of(claim)]; }

  void serve(const KeyState& key, std::vector<bool>& served) {
    auto taken = static_cast<std::size_t>(
        std::count_if(key.holders.begin(), key.holders.end(), [&](const auto& claim) { return is_stuck(claim); }));
    for (std::size_t i = 0; i < key.waiters.size(); ++i) {
      const auto& waiter = key.waiters[i];
      if (!served[i] && taken < waiter.permits) {
        served[i] = changed_ = true;
        const auto owner = graph_.owner_of(waiter);
        --waits_left_[owner];
        take_away_if_free(owner);
      }
      if (is_stuck(waiter)) ++taken;
    }
  }

  void take_away_if_free(std::size_t owner) {
    if (!stuck_[owner] || waits_left_[owner] != 0 || below_left_[owner] != 0) return;
    stuck_[owner] = false;
    for (const auto above : graph_.owners_[owner].above) {
      --below_left_[above];
      take_away_if_free(above);
    }
  }

  const Graph& graph_;
  std::vector<bool> stuck_;
  std::vector<std::size_t> waits_left_;  // Of each owner: not served yet.
  std::vector<std::size_t> below_left_;  // Of each owner: stuck owners below it.
  bool changed_ = false;
};

std::optional<Deadlock> Graph::find_deadlock() const {
  const auto stuck = Reduction(*this).run();
  const auto start = std::find(stuck.begin(), stuck.end(), true);
  if (start == stuck.end()) return std::nullopt;

  // Whoever is stuck is so because of somebody who is stuck: following that leads into a cycle.
  std::vector<Link> path;
  for (auto at = static_cast<std::size_t>(start - stuck.begin());;) {
    const auto again = std::find_if(path.begin(), path.end(), [&](const Link& link) { return link.from == at; });
    if (again != path.end()) {
      path.erase(path.begin(), again);
      break;
    }
    path.push_back(find_link(at, stuck));
    at = path.back().to;
  }

  Deadlock deadlock;
  deadlock.text = describe(path);
  const ClaimState* youngest = nullptr;
  for (const auto& link : path) {
    deadlock.owners.emplace_back(owners_[link.from].name);
    if (link.wait == nullptr) continue;
    if (youngest == nullptr || std::pair(youngest->since, youngest->id) < std::pair(link.wait->since, link.wait->id)) {
      youngest = link.wait;
    }
  }
  deadlock.victim = youngest->id;  // A path of owners has no cycle of its own: somebody waits for a key.
  return deadlock;
}

Graph::Link Graph::find_link(std::size_t from, const std::vector<bool>& stuck) const {
  for (const auto* wait : owners_[from].waits) {
    const auto& key = key_of(*wait);
    std::vector<Link> blockers;
    for (const auto& holder : key.holders) {
      if (const auto to = owner_of(holder); stuck[to]) blockers.push_back({from, to, wait, false});
    }
    for (const auto& waiter : key.waiters) {
      if (&waiter == wait) break;
      if (const auto to = owner_of(waiter); stuck[to]) blockers.push_back({from, to, wait, true});
    }
    if (blockers.size() >= wait->permits) return blockers.front();
  }
  for (std::size_t to = 0; to < owners_.size(); ++to) {
    const auto& above = owners_[to].above;
    if (stuck[to] && std::find(above.begin(), above.end(), from) != above.end()) return {from, to, nullptr, false};
  }
  throw Error(Code::internal, fmt::format("{} is stuck without a reason", owners_[from].name));
}

std::string Graph::describe(const std::vector<Link>& cycle) const {
  std::string text;
  const auto* before = &cycle.back();
  for (const auto& link : cycle) {
    if (!text.empty()) text += "; ";
    text += owners_[link.from].name;
    if (before->wait != nullptr && !before->behind) text += fmt::format(" holds {},", before->wait->key);
    if (link.wait == nullptr) {
      text += fmt::format(" waits for the end of {}", owners_[link.to].name);
    } else {
      text += fmt::format(" waits for {} since {}", link.wait->key, time_of_day(link.wait->since));
      if (link.behind) text += fmt::format(" behind {}", owners_[link.to].name);
    }
    before = &link;
  }
  return text;
}

}  // namespace tidelock::lock
