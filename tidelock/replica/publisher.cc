#include "tidelock/replica/publisher.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/real_path.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/guard.h"
#include "tidelock/lock/keeper.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/replica/checkpoint_hold.h"
#include "tidelock/replica/folder.h"
#include "tidelock/replica/helper_process.h"
#include "tidelock/replica/turn.h"

namespace tidelock::replica {
namespace {

constexpr std::size_t kKeyLimitBytes = 255;

std::string key_of(const base::Path& folder) {
  auto key = "replica/" + folder.string();
  if (key.size() <= kKeyLimitBytes) return key;
  return "replica/xxh3:" + BlockHash::of(0, std::as_bytes(std::span(folder.native()))).to_string();
}

bool lies_in(const base::Path& path, const base::Path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

[[noreturn]] void refuse(std::string message) { throw Error(Code::invalid_argument, std::move(message)); }

}  // namespace

struct Publisher::State {
  State(base::Runtime& runtime_of, base::Files& files_of, lock::Backend& locks_of, PublisherOptions options_of)
      : runtime(runtime_of), files(files_of), locks(locks_of), options(std::move(options_of)) {
    if (options.keep == 0) refuse("keep must be at least 1: the current version stays");
    if (options.master.empty()) refuse("no master is given");
    if (options.folder.empty()) refuse("no folder for the replica is given");
  }

  base::Path find_master() const;
  base::Path find_folder() const;
  std::uint64_t inode_of(const base::Path& master) const;
  void check_owner(const base::Path& master, const sql::Database& owner) const;
  lock::Lease take_lease(lock::Mutex& mutex, const std::stop_token& stop) const;
  Manifest publish(Turn& turn, const base::Path& master, sql::Database* owner, const std::stop_token& stop);

  base::Runtime& runtime;
  base::Files& files;
  lock::Backend& locks;
  PublisherOptions options;
  std::unique_ptr<Copier> own_copier;
  Copier* copier = nullptr;
};

base::Path Publisher::State::find_master() const {
  const auto master = base::real_path(files, options.master);
  const auto info = files.info(master);
  const auto name = base::quoted(options.master.string());
  if (!info) throw Error(Code::not_found, "the master " + name + " does not exist");
  if (info->kind != base::FileInfo::Kind::file) refuse("the master " + name + " is not a file");
  if (base::find_invalid_utf8(master.native())) {
    refuse("the path of the master, " + base::quoted(master.string()) + ", is not UTF-8: a manifest could not name it");
  }
  const auto folder = base::real_path(files, options.folder);
  if (lies_in(master, folder / "versions") || master == folder / "current.db") {
    refuse("the master " + name + " lies where its replica would be made: choose another folder");
  }
  return master;
}

base::Path Publisher::State::find_folder() const {
  const auto folder = base::real_path(files, options.folder);
  const auto info = files.info(folder);
  if (info && info->kind != base::FileInfo::Kind::folder) {
    refuse(base::quoted(options.folder.string()) + " is a file: give a folder for the replica");
  }
  const auto parent_is_new = !info;
  files.create_folders(folder / "versions");
  files.sync_folder(folder);
  if (parent_is_new) files.sync_folder(base::folder_of(folder));
  return folder;
}

std::uint64_t Publisher::State::inode_of(const base::Path& master) const {
  const auto info = files.info(master);
  return info ? info->inode : 0;
}

void Publisher::State::check_owner(const base::Path& master, const sql::Database& owner) const {
  const auto url = base::Url::parse(owner.name());
  if (base::real_path(files, url.path) == master) return;
  refuse(fmt::format("the owner {} is not the master {}", owner.name(), base::quoted(options.master.string())));
}

lock::Lease Publisher::State::take_lease(lock::Mutex& mutex, const std::stop_token& stop) const {
  const auto lease = mutex.acquire(runtime.in(options.patience), stop);
  if (lease) return *lease;
  if (stop.stop_requested()) throw Error(Code::cancelled, "publishing was stopped");
  throw Error(Code::timeout,
              "another publisher works in " + base::quoted(options.folder.string()) + " and was not done in time");
}

Manifest Publisher::State::publish(Turn& turn, const base::Path& master, sql::Database* owner,
                                   const std::stop_token& stop) {
  Manifest manifest;
  manifest.master = master;
  manifest.master_inode = inode_of(master);
  manifest.data_time = runtime.wall_now();
  std::optional<CheckpointHold> hold;
  if (owner != nullptr && owner->dialect().engine == "duckdb") hold.emplace(*owner, options.patience);
  auto copied = copier->make(
      {.master = master, .copy = turn.part(), .hold = hold ? &*hold : nullptr, .patience = options.patience}, stop);
  if (inode_of(master) != manifest.master_inode) {
    throw Error(Code::unavailable, "the master " + base::quoted(options.master.string()) +
                                       " was replaced by another file while it was copied: publish again");
  }
  manifest.engine = std::move(copied.engine);
  manifest.size_bytes = copied.size_bytes;
  manifest.header_bytes = copied.header_bytes;
  manifest.block_bytes = copied.block_bytes;
  manifest.blocks = std::move(copied.blocks);
  manifest.position = std::move(copied.position);
  manifest.left_out_bytes = copied.left_out_bytes;
  return turn.commit(std::move(manifest));
}

Publisher::Publisher(base::Runtime& runtime, base::Files& files, lock::Backend& locks, PublisherOptions options)
    : state_(std::make_unique<State>(runtime, files, locks, std::move(options))) {
  state_->own_copier = std::make_unique<HelperProcess>(runtime, files, state_->options.program);
  state_->copier = state_->own_copier.get();
}

Publisher::Publisher(base::Runtime& runtime, base::Files& files, lock::Backend& locks, PublisherOptions options,
                     Copier& copier)
    : state_(std::make_unique<State>(runtime, files, locks, std::move(options))) {
  state_->copier = &copier;
}

Publisher::~Publisher() = default;

const PublisherOptions& Publisher::options() const { return state_->options; }

Manifest Publisher::publish(sql::Database* owner, const std::stop_token& stop) {
  auto& state = *state_;
  const auto master = state.find_master();
  if (owner != nullptr) state.check_owner(master, *owner);
  const Folder folder(state.files, state.find_folder());
  lock::Mutex mutex(state.locks, state.runtime, key_of(folder.path()));
  const auto lease = state.take_lease(mutex, stop);
  lock::Keeper keeper(mutex, lease);
  const auto check_lease = [&] {
    if (const auto lost = keeper.lost()) throw *lost;
    if (!keeper.still_held()) throw Error(Code::lease_lost, "the lease on " + mutex.key() + " ran out");
  };

  std::stop_source either;
  const std::stop_callback asked(stop, [&] { either.request_stop(); });
  const std::stop_callback lost(keeper.stop_token(), [&] { either.request_stop(); });
  try {
    Turn turn(state.runtime, folder,
              {.token = lock::token_of(lease),
               .keep = state.options.keep,
               .patience = state.options.patience,
               .check_lease = check_lease});
    return state.publish(turn, master, owner, either.get_token());
  } catch (const Error& error) {
    if (error.code() == Code::fenced || error.code() == Code::unknown_outcome || !keeper.lost()) throw;
  }
  throw *keeper.lost();  // Whatever else failed, failed because of that.
}

}  // namespace tidelock::replica
