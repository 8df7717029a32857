// How sound and fresh a replica is, for monitoring.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/manifest.h"

namespace tidelock::replica {

struct HealthQuestion {
  base::Path folder;
  std::optional<base::Path> master;       // Compare with it.
  std::optional<base::Duration> max_age;  // Of the data.
  bool blocks = false;                    // Read the whole file and compare it with its hashes.
};

struct Health {
  enum class Level { ok = 0, warning = 1, critical = 2 };  // The exit codes of monitoring plugins.
  struct Problem {
    Level level;
    std::string what;
  };
  std::optional<Manifest> manifest;  // Of the current version; empty when it cannot be read.
  base::Duration age{};              // Of its data, but for Manifest::left_out_bytes.
  std::optional<bool> behind;        // Whether the master has what it lacks; empty: not asked, or not to be found out.
  std::vector<Problem> problems;

  Level level() const;  // The worst.
};

// Opens files: not for a process that has the master, or a version, open as a database (see helper_process.h). Throws
// nothing for what is wrong with replica or master: that is what it tells.
Health look_at_health(base::Runtime& runtime, base::Files& files, const HealthQuestion& question);

// The numbers of the blocks that differ from the manifest's hashes; block 0 is the header where there is one.
std::vector<std::uint64_t> differing_blocks(base::Files& files, const base::Path& file, const Manifest& manifest);

}  // namespace tidelock::replica
