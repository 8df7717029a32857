#include "tidelock/lock/backends/sql/state_file.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/real_path.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr int kOpenings = 10;                  // Of a file that somebody replaces each time.
constexpr base::Duration kLookAtMaking = 2ms;  // Between looks at whether somebody else is done with making the file.

base::Path with_suffix(base::Path path, std::string_view suffix) {
  path += suffix;
  return path;
}

bool is_same(const base::FileInfo& before, const std::optional<base::FileInfo>& after) {
  return after && after->inode == before.inode && after->size_bytes == before.size_bytes &&
         after->change_stamp == before.change_stamp;
}

class FileChanges final : public Changes {
 public:
  explicit FileChanges(std::unique_ptr<base::Watch> watch) : watch_(std::move(watch)) {}
  std::optional<std::string> wait(base::Deadline deadline, const std::stop_token& stop) override {
    watch_->wait(deadline, stop);
    return std::nullopt;
  }

 private:
  std::unique_ptr<base::Watch> watch_;
};

}  // namespace

FileState::FileState(base::Runtime& runtime, base::Files& watched_files, const base::Path& file)
    : files(watched_files),
      lock_tables(runtime),
      path(file),
      log(with_suffix(file, "-wal")),
      index(with_suffix(file, "-shm")),
      folder(runtime, watched_files, base::folder_of(file)) {}

std::unique_ptr<Changes> FileState::watch(base::Deadline /*deadline*/, const std::stop_token& /*stop*/) const {
  if (path.empty()) return nullptr;
  for (const auto& place : {log, base::folder_of(path)}) {
    try {
      return std::make_unique<FileChanges>(files.watch(place));
    } catch (const Error&) {  // The system has no watch to give.
    }
  }
  return nullptr;
}

bool FileState::still_holds() const { return !at_rest || is_same(*at_rest, files.info(path)); }

StateFile::StateFile(base::Runtime& runtime, base::Files& files, base::Url url, const OpenOptions& options)
    : runtime_(runtime),
      files_(files),
      url_(std::move(url)),
      options_(options),
      has_file_(url_.scheme == "sqlite" && url_.path != ":memory:") {
  sql::check_url(runtime_, files_, url_);
}

Guarantees StateFile::guarantees() const {
  return {.fencing_tokens = true,
          .fifo = true,
          .waiters_visible = true,
          .whose_clock = "this machine's boot clock",
          .note =
              "Excludes all processes of one machine that open the same file, which must be on a local disk. Who "
              "deletes the file frees all its locks."};
}

std::shared_ptr<const State> StateFile::get(base::Deadline deadline) {
  std::shared_ptr<const FileState> seen;
  {
    const base::LocalGuard guard(mutex_);
    seen = state_;
  }
  if (seen != nullptr) {
    switch (look(*seen)) {
      case Found::same:
        return seen;
      case Found::other:
        break;
      case Found::torn:
        throw Error(Code::corrupt,
                    fmt::format("the files -wal and -shm beside {} were deleted or replaced while it was in use: who "
                                "holds its locks cannot be told any more",
                                seen->path.string()));
    }
  }
  auto opened = options_.read_only ? open_to_read(deadline) : open(deadline, seen != nullptr);
  // What is read without a lock is for one look only: it would never see what others write.
  const bool keep = opened == nullptr || !opened->at_rest;
  const base::LocalGuard guard(mutex_);
  if (state_ == seen) state_ = keep ? opened : nullptr;
  return keep ? state_ : opened;  // Of several who opened it at once, the first was quick enough.
}

StateFile::Found StateFile::look(const FileState& state) {
  if (!has_file_) return Found::same;
  const auto folder = state.folder.look();
  if (folder && state.folder.is_known(*folder)) return Found::same;
  const auto now = inodes_of(state);
  if (now == state.inodes) {
    if (folder) state.folder.approve(*folder);
    return Found::same;
  }
  // Who makes the file anew deletes the others after it: it may have gone while this was looking at them.
  const bool is_other = now.file != state.inodes.file || inode_of(state.path) != state.inodes.file;
  // Where there was no log it may begin: another process was the first that could.
  const auto is_lost = [](const auto& before, const auto& after) { return before && after != before; };
  const bool is_torn = is_lost(state.inodes.log, now.log) || is_lost(state.inodes.index, now.index);
  return is_other || state.anchor == nullptr || !is_torn ? Found::other : Found::torn;
}

std::shared_ptr<FileState> StateFile::open_database(const base::Url& url, base::Deadline deadline) {
  auto state = std::make_shared<FileState>(runtime_, files_, has_file_ ? base::Path(url.path) : base::Path());
  state->opened = sql::open(runtime_, files_, url, {.must_exist = has_file_}, deadline);
  if (!has_file_) return state;
  state->waiting = std::make_unique<Presence>(runtime_, files_, with_suffix(state->path, "-waiting"));
  return state;
}

// `again`: it was there, so that its folder is made anew when that was deleted too.
std::shared_ptr<const FileState> StateFile::open(base::Deadline deadline, bool again) {
  auto url = url_;
  if (has_file_) url.path = base::real_path(files_, url_.path).string();
  if (may_make()) url.params.erase("mode");
  for (int i = 0; i < kOpenings; ++i) {
    if (has_file_ && (again || options_.make_folder)) files_.create_folders(base::folder_of(url.path));
    const auto making = has_file_ ? start_making(url.path, deadline) : nullptr;
    const auto before = has_file_ ? inode_of(url.path) : std::nullopt;
    try {
      auto state = open_database(url, deadline);
      make_tables(state->database(), state->tables(), deadline);
      if (!has_file_) return state;
      state->anchor = sql::open(runtime_, files_, url, {.must_exist = true}, deadline);
      state->inodes = inodes_of(*state);
      if (state->inodes.file == before) return state;
    } catch (const Error& error) {
      // Deleted meanwhile. SQLite must not make it: only who holds the lock for that knows that nobody else does.
      if (error.code() != Code::not_found || !may_make()) throw;
    }
  }
  throw Error(Code::unavailable, fmt::format("{} is replaced again and again while it is opened", url.path));
}

std::shared_ptr<const FileState> StateFile::open_to_read(base::Deadline deadline) {
  auto url = url_;
  std::optional<base::FileInfo> at_rest;
  const auto open = [&]() -> std::shared_ptr<const FileState> {
    at_rest.reset();
    if (has_file_) {
      const auto path = base::real_path(files_, url_.path);
      if (deadline.passed(runtime_.now())) throw Error(Code::timeout, path.string() + " is written to all the time");
      if (!files_.info(path)) return nullptr;
      url.path = path.string();
      url.params["mode"] = "ro";
      url.params.erase("immutable");
      at_rest = look_at_rest(path);
      if (at_rest) url.params["immutable"] = "yes";
    }
    const auto state = open_database(url, deadline);
    if (!find_tables(state->database(), state->tables(), deadline)) return nullptr;
    if (has_file_) state->inodes = inodes_of(*state);
    state->at_rest = at_rest;
    return state;
  };
  return read_undisturbed(open, [&] { return !at_rest || is_same(*at_rest, files_.info(url.path)); });
}

// Everything is in the file and nobody has it open: SQLite would make a log and an index to read it, which it cannot
// everywhere and which this is not for. Empty: somebody has it open, or it is no such file. See
// https://www.sqlite.org/fileformat.html for the bytes.
std::optional<base::FileInfo> StateFile::look_at_rest(const base::Path& path) {
  constexpr std::uint64_t kReadVersion = 19;
  constexpr std::byte kWriteAhead{2};
  const auto info = files_.info(path);  // First: who writes from now on makes a log before the file changes.
  if (!info || files_.info(with_suffix(path, "-wal"))) return std::nullopt;
  std::array<std::byte, 1> version{};
  try {
    const auto file = files_.open(path, base::OpenMode::read);
    if (file->read_at(kReadVersion, version) == 1 && version[0] == kWriteAhead) return info;
  } catch (const Error&) {  // Who opens the database says why.
  }
  return std::nullopt;
}

bool StateFile::may_make() const {
  const auto mode = url_.params.find("mode");
  return mode == url_.params.end() || mode->second == "rwc";
}

// When the file is missing, makes an empty one; the caller keeps what is returned until the database is made. A log and
// an index that a deleted file left behind would be taken for those of the new one, and those who still have the
// deleted one open use them: they are unlinked by the process that made the file, before anybody of this kind opens it,
// and by no other. SQLite itself may have made the file meanwhile for somebody else: then they are that one's.
std::unique_ptr<base::File> StateFile::start_making(const base::Path& path, base::Deadline deadline) {
  const auto is_made = [&] {
    const auto info = files_.info(path);
    return info && info->size_bytes > 0;
  };
  if (!may_make() || is_made()) return nullptr;
  auto lock = files_.open(with_suffix(path, "-making"), base::OpenMode::create);
  while (!lock->try_lock(base::LockKind::exclusive)) {
    if (deadline.passed(runtime_.now())) {
      throw Error(Code::database_locked, fmt::format("another process is making {}", path.string()));
    }
    runtime_.sleep_for(kLookAtMaking);
  }
  if (files_.info(path)) return lock;
  try {
    files_.open(path, base::OpenMode::create_new);
  } catch (const Error& error) {
    if (error.code() != Code::already_exists) throw;
    return lock;
  }
  for (const auto* suffix : {"-wal", "-shm", "-journal"}) files_.remove(with_suffix(path, suffix));
  files_.sync_folder(base::folder_of(path));
  return lock;
}

FileState::Inodes StateFile::inodes_of(const FileState& state) {
  return {.file = inode_of(state.path), .log = inode_of(state.log), .index = inode_of(state.index)};
}

std::optional<std::uint64_t> StateFile::inode_of(const base::Path& path) {
  const auto info = files_.info(path);
  return info ? std::optional(info->inode) : std::nullopt;
}

}  // namespace tidelock::lock
