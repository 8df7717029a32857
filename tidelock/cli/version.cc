#include "tidelock/cli/version.h"

#include <fmt/format.h>

#include "tidelock/sql/backends/all.h"

namespace tidelock::cli {

std::string version_text() {
  std::string text = fmt::format("tidelock {}\n", TIDELOCK_VERSION);
  for (const auto& engine : sql::engines()) {
    text += fmt::format("  {:<8} {}", engine.scheme, engine.available ? engine.version : "not available");
    text += engine.note.empty() ? "\n" : fmt::format(" ({})\n", engine.note);
  }
  return text;
}

}  // namespace tidelock::cli
