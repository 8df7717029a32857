#include "tidelock/replica/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/real_path.h"
#include "tidelock/base/text.h"
#include "tidelock/replica/file_copier.h"
#include "tidelock/replica/folder.h"
#include "tidelock/replica/version_file.h"

namespace tidelock::replica {
namespace {

using Level = Health::Level;

constexpr std::size_t kNamedBlocks = 5;

// What `look` throws is a problem of this level.
bool succeeds(Health& health, Level level, const std::function<void()>& look) {
  try {
    look();
    return true;
  } catch (const Error& error) {
    health.problems.push_back({level, error.what()});
    return false;
  }
}

void look_at_version(base::Runtime& runtime, const Folder& folder, Health& health) {
  const auto current = folder.current_sequence();
  if (!current) {
    throw Error(Code::not_found, base::quoted(folder.path().string()) + " holds no replica: nothing is published yet");
  }
  health.manifest = folder.read_manifest(*current);
  health.age = runtime.wall_now() - health.manifest->data_time;
  VersionFile::open(runtime, folder, *health.manifest, {}, {.max_connections = 1});
}

// The time in the manifest is when the file was copied, and the file is as old as its owner's last checkpoint.
void look_at_log(Health& health) {
  const auto bytes = health.manifest->left_out_bytes;
  if (bytes == 0) return;
  health.problems.push_back(
      {Level::warning, fmt::format("{} bytes of commits were in its master's log and are left out, so that the data is "
                                   "older than it says: publish from the process that owns the master",
                                   bytes)});
}

void look_at_blocks(const Folder& folder, Health& health) {
  const auto bad = differing_blocks(folder.files(), folder.file(health.manifest->version.sequence), *health.manifest);
  if (bad.empty()) return;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(bad.size(), kNamedBlocks); ++i) names.push_back(std::to_string(bad[i]));
  if (bad.size() > kNamedBlocks) names.push_back(fmt::format("{} more", bad.size() - kNamedBlocks));
  throw Error(Code::corrupt, fmt::format("{} of {} blocks differ from their hashes: {}", bad.size(),
                                         health.manifest->blocks.size(), base::listed(names)));
}

void look_at_master(base::Runtime& runtime, base::Files& files, const base::Path& master, Health& health) {
  const auto state = FileCopier(runtime, files).look(master);
  const auto& manifest = *health.manifest;
  const auto path = base::real_path(files, master);
  if (state.engine != manifest.engine || path != manifest.master) {
    throw Error(Code::invalid_argument,
                fmt::format("the replica is of another master, {}", base::quoted(manifest.master.string())));
  }
  const auto info = files.info(path);
  std::string why;
  if (state.position != manifest.position) why = "was changed since";
  if (state.log_bytes > 0) why = fmt::format("has {} bytes of commits in its log", state.log_bytes);
  const bool is_known = manifest.master_inode != 0;  // Not by a manifest of before it was noted.
  if (info && is_known && info->inode != manifest.master_inode) why = "was replaced by another file";
  health.behind = !why.empty();
  if (*health.behind) health.problems.push_back({Level::warning, "behind its master, which " + why});
}

}  // namespace

Level Health::level() const {
  auto worst = Level::ok;
  for (const auto& problem : problems) worst = std::max(worst, problem.level);
  return worst;
}

Health look_at_health(base::Runtime& runtime, base::Files& files, const HealthQuestion& question) {
  Health health;
  const Folder folder(files, question.folder);
  succeeds(health, Level::critical, [&] { look_at_version(runtime, folder, health); });
  if (!health.manifest) return health;
  look_at_log(health);
  if (question.blocks) succeeds(health, Level::critical, [&] { look_at_blocks(folder, health); });
  if (question.master) {
    succeeds(health, Level::warning, [&] { look_at_master(runtime, files, *question.master, health); });
  }
  if (question.max_age && health.age > *question.max_age) {
    health.problems.push_back({Level::warning, "data older than " + base::format_duration(*question.max_age)});
  }
  return health;
}

std::vector<std::uint64_t> differing_blocks(base::Files& files, const base::Path& path, const Manifest& manifest) {
  const auto file = files.open(path, base::OpenMode::read);
  std::vector<std::uint64_t> bad;
  std::vector<std::byte> buffer(std::max(manifest.header_bytes, manifest.block_bytes));
  std::uint64_t at = 0;
  for (std::uint64_t number = 0; number < manifest.blocks.size(); ++number) {
    const auto wanted = number == 0 && manifest.header_bytes > 0 ? manifest.header_bytes : manifest.block_bytes;
    const auto block = std::span(buffer).first(std::min<std::uint64_t>(wanted, manifest.size_bytes - at));
    const auto count = file->read_at(at, block);
    if (count != block.size() || BlockHash::of(number, block) != manifest.blocks[number]) bad.push_back(number);
    at += block.size();
  }
  return bad;
}

}  // namespace tidelock::replica
