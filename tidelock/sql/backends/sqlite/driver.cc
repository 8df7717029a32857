#include "tidelock/sql/backends/sqlite/driver.h"

#include <sqlite3.h>

#include <array>
#include <string_view>
#include <utility>

#include "tidelock/base/real_files.h"
#include "tidelock/sql/backends/sqlite/errors.h"
#include "tidelock/sql/backends/sqlite/memory_files.h"
#include "tidelock/sql/backends/sqlite/session.h"
#include "tidelock/sql/backends/sqlite/types.h"

namespace tidelock::sql::sqlite {
namespace {

constexpr std::string_view kMemory = ":memory:";

Dialect make_dialect() {
  Dialect dialect;
  dialect.engine = "sqlite";
  dialect.version = version();
  dialect.lexis = kLexis;
  dialect.isolation_levels = {Isolation::serializable};
  dialect.isolation_note = "SQLite runs every transaction serializable: one writer at a time, readers on a snapshot";
  dialect.one_writer = true;
  dialect.savepoints = true;
  dialect.commit_position = true;
  dialect.position_note =
      "the frame of the write-ahead log that committed; ordered within one log and within one Database";
  dialect.compare_positions = compare_positions;
  dialect.lock_timeout.supported = true;
  dialect.two_phase.note = "an SQLite transaction ends with its connection";
  dialect.session_id.note = "SQLite runs in this process and has no sessions of its own";
  dialect.notifications.note = "SQLite tells nobody about changes: look again from time to time";
  const std::string one_lock =
      "SQLite has one lock for the whole database, which a transaction that may write holds from begin() on";
  dialect.row_locks = {.for_update = {.note = one_lock},
                       .for_share = {.note = one_lock},
                       .skip_locked = {.note = one_lock},
                       .nowait = {.note = one_lock + ": begin it with a lock_timeout of 0"},
                       .lock_table = {.note = one_lock}};
  dialect.column_type = column_type;
  return dialect;
}

// What is at `path`, once SQLite could not open it. Returns the plainer error, or the given one.
Error explain(const Place& place, const Error& error) {
  const auto& path = place.path;
  const auto native = error.native().value_or(Error::Native{});
  const auto info = place.files.info(path);
  if (info && info->kind == base::FileInfo::Kind::folder) {
    return Error(Code::invalid_argument, path + " is a folder: name a file in it", native, path);
  }
  if ((native.code & 0xff) == SQLITE_CANTOPEN) {
    const auto parent = base::Path(path).parent_path();
    if (!parent.empty() && !place.files.info(parent)) {
      return Error(Code::not_found, "the folder of " + path + " does not exist: make it first", native, path);
    }
    if (!info) {
      const bool may_create = !place.read_only && !place.must_exist;
      return may_create
                 ? Error(Code::permission_denied, path + " cannot be made: its folder may not be written", native, path)
                 : Error(Code::not_found, path + " does not exist, and was not to be made", native, path);
    }
    return Error(Code::permission_denied, path + " cannot be opened with the rights of this user", native, path);
  }
  const bool newer = native.message.find("unsupported file format") != std::string::npos;
  if (newer) return Error(Code::newer_schema, path + " was written by a newer SQLite than " + version(), native, path);
  return error;
}

class SqliteDriver final : public Driver {
 public:
  SqliteDriver(std::unique_ptr<MemoryFiles> memory, Place place)
      : memory_(std::move(memory)), place_(std::move(place)), dialect_(make_dialect()) {}

  const Dialect& dialect() const override { return dialect_; }

  std::unique_ptr<Session> open(base::Deadline deadline, const std::stop_token&) override {
    try {
      auto session = std::make_unique<SqliteSession>(place_, deadline);
      if (!place_.read_only && sqlite3_db_readonly(session->handle().get(), "main") == 1) {
        throw Error(Code::permission_denied,
                    place_.path + " may not be written by this user: open it with mode=ro, or change its rights");
      }
      return session;
    } catch (const Error& error) {
      throw explain(place_, error);
    }
  }

 private:
  const std::unique_ptr<MemoryFiles> memory_;  // Only for :memory:.
  const Place place_;
  const Dialect dialect_;
};

}  // namespace

std::string version() { return sqlite3_libversion(); }

std::unique_ptr<Driver> make_driver(base::Runtime& runtime, base::Files& files, const base::Url& url,
                                    base::UrlParams& params, const DatabaseOptions& options) {
  const auto synchronous = params.choice("synchronous", "normal", {"off", "normal", "full", "extra"});
  const bool immutable = params.choice("immutable", "no", {"no", "yes"}) == "yes";
  params.finish();
  if (!url.hosts.empty() || !url.user.empty() || !url.password.empty()) {
    throw Error(Code::invalid_argument,
                "an sqlite URL has a path and nothing before it: sqlite:shop.db or sqlite:/var/shop.db");
  }
  if (url.path.empty()) {
    throw Error(Code::invalid_argument, "an sqlite URL needs a path: sqlite:shop.db, or sqlite::memory:");
  }
  if (immutable && !options.read_only) {
    throw Error(Code::invalid_argument, "immutable=yes needs mode=ro: " + url.to_string());
  }
  const bool in_memory = url.path == kMemory;
  auto memory = in_memory ? std::make_unique<MemoryFiles>() : nullptr;
  base::Files& on = in_memory ? static_cast<base::Files&>(*memory) : files;
  // SQLite knows the kernel better than we do; everything else is reached through Files.
  const bool by_kernel = dynamic_cast<base::RealFiles*>(&on) != nullptr;
  const auto random = runtime.random();
  // Its random numbers, as in random() and in the salts of a log, are of one generator for the whole of this process:
  // they are to repeat as well where everything else does.
  if (!by_kernel && !in_memory) sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(random | 1), nullptr);
  // A relative path that begins with "file:" would be a URI to SQLite.
  const auto path = in_memory                                 ? std::string("/memory")
                    : url.path.starts_with('/') || !by_kernel ? url.path
                                                              : "./" + url.path;
  return std::make_unique<SqliteDriver>(std::move(memory),
                                        Place{.runtime = runtime,
                                              .files = on,
                                              .path = path,
                                              .vfs = by_kernel ? nullptr : std::make_unique<Vfs>(runtime, on),
                                              .read_only = options.read_only,
                                              .must_exist = options.must_exist,
                                              .immutable = immutable,
                                              .busy_timeout = options.busy_timeout,
                                              .synchronous = synchronous,
                                              .generations = std::make_unique<Generations>(random)});
}

}  // namespace tidelock::sql::sqlite
