#include "tidelock/lock/backends/sql/state_file.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/real_path.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/schema.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

constexpr int kOpenings = 10;          // Of a file that somebody replaces each time.
constexpr base::Duration kLook = 2ms;  // Between looks at whether somebody else is done with making the file.

base::Path with_suffix(base::Path path, std::string_view suffix) {
  path += suffix;
  return path;
}

}  // namespace

StateFile::StateFile(base::Runtime& runtime, base::Files& files, base::Url url)
    : runtime_(runtime), files_(files), url_(std::move(url)), has_file_(url_.path != ":memory:") {}

std::shared_ptr<const State> StateFile::get(base::Deadline deadline) {
  std::shared_ptr<const State> seen;
  {
    const base::LocalGuard guard(mutex_);
    seen = state_;
  }
  if (seen != nullptr && is_current(*seen)) return seen;
  auto opened = open(deadline);
  const base::LocalGuard guard(mutex_);
  if (state_ == seen) state_ = std::move(opened);
  return state_;  // Of several who opened it at once, the first was quick enough.
}

bool StateFile::is_current(const State& state) { return !has_file_ || inode_of(state.path) == state.inode; }

std::shared_ptr<const State> StateFile::open(base::Deadline deadline) {
  auto url = url_;
  if (has_file_) url.path = base::real_path(files_, url_.path).string();
  for (int i = 0; i < kOpenings; ++i) {
    const auto making = has_file_ ? start_making(url.path, deadline) : nullptr;
    const auto before = has_file_ ? inode_of(url.path) : std::nullopt;
    auto database = sql::open(runtime_, files_, url);
    const auto& statements = statements_for(database->dialect());
    sql::migrate(*database, statements.schema, deadline);
    auto state = std::make_shared<State>(State{.database = std::move(database),
                                               .statements = statements,
                                               .path = has_file_ ? base::Path(url.path) : base::Path(),
                                               .inode = before});
    if (is_current(*state)) return state;
  }
  throw Error(Code::unavailable, fmt::format("{} is replaced again and again while it is opened", url.path));
}

// When the file is missing, makes an empty one; the caller keeps what is returned until the database is made. A log and
// an index that a deleted file left behind would be taken for those of the new one, and those who still have the
// deleted one open use them: they are unlinked first, by one process alone.
std::unique_ptr<base::File> StateFile::start_making(const base::Path& path, base::Deadline deadline) {
  const auto mode = url_.params.find("mode");
  const bool may_make = mode == url_.params.end() || mode->second == "rwc";
  if (!may_make || files_.info(path)) return nullptr;
  auto lock = files_.open(with_suffix(path, "-making"), base::OpenMode::create);
  while (!lock->try_lock(base::LockKind::exclusive)) {
    if (deadline.passed(runtime_.now())) {
      throw Error(Code::database_locked, fmt::format("another process is making {}", path.string()));
    }
    runtime_.sleep_for(kLook);
  }
  if (!files_.info(path)) {
    for (const auto* suffix : {"-wal", "-shm", "-journal"}) files_.remove(with_suffix(path, suffix));
    files_.open(path, base::OpenMode::create_new);
    files_.sync_folder(base::folder_of(path));
  }
  return lock;
}

std::optional<std::uint64_t> StateFile::inode_of(const base::Path& path) {
  const auto info = files_.info(path);
  return info ? std::optional(info->inode) : std::nullopt;
}

}  // namespace tidelock::lock
