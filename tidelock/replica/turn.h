// One publication under way: what makes it one at a time, fenced, and clean after whoever died before.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tidelock/base/runtime.h"
#include "tidelock/lock/lease.h"
#include "tidelock/replica/folder.h"
#include "tidelock/replica/manifest.h"

namespace tidelock::replica {

// How long a version stays at least after it was replaced.
inline constexpr base::Duration kStay = std::chrono::seconds(2);

// What is known before the copy is made.
struct TurnOptions {
  lock::FencingToken token;  // Of the publisher's lease.
  std::size_t keep = 3;
  base::Duration patience{};          // With another publisher that is at its commit.
  std::function<void()> check_lease;  // Throws when the lease is no longer held.
};

// From its constructor to commit(), or to the destructor, which removes what was begun. Used by one task. A folder has
// one publisher at a time by its lease; should that be lost, publisher.json holds the newest token, and the kernel's
// lock on publisher.lock makes looking at it and acting on it one step. A stale publisher can neither commit nor touch
// the files of its successor, whose names carry the token.
class Turn {
 public:
  // Removes what dead publishers left behind, which may be what fills the disk, then registers the token and gives out
  // the next sequence.
  // Errors: fenced; already_exists (current.db is not ours); corrupt (publisher.json); those of Files.
  Turn(base::Runtime& runtime, const Folder& folder, TurnOptions options);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  std::uint64_t sequence() const { return sequence_; }
  base::Path part() const { return folder_.part(sequence_, options_.token); }

  // Makes the finished copy at part() the current version, and removes versions that have had their time. `manifest`
  // lacks its version, token and publisher. Errors: fenced, lease_lost (nothing was committed); unknown_outcome (it is
  // current, and a power cut may take it away); those of Files.
  Manifest commit(Manifest manifest);

 private:
  struct State;
  class Exclusive;

  State read_state() const;
  void write_state() const;
  void clean_up(const std::optional<std::uint64_t>& current) const;
  void check_fence() const;
  void make_current(const Manifest& manifest);
  std::optional<Manifest> manifest_of(std::uint64_t sequence) const;  // Empty when there is none that can be read.
  base::Uuid epoch_for(const Manifest& manifest) const;
  void retire(std::uint64_t current);
  void remove_version(std::uint64_t sequence) const;
  void remove_sidecars(const base::Path& file) const;

  base::Runtime& runtime_;
  const Folder& folder_;
  base::Files& files_;
  const TurnOptions options_;
  std::uint64_t sequence_ = 0;
  std::optional<Manifest> before_;                    // The current version as this turn began.
  std::map<std::uint64_t, base::WallTime> replaced_;  // When those that stay were: not before that moment.
  bool committed_ = false;
};

}  // namespace tidelock::replica
