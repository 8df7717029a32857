#include "tidelock/replica/backends/sqlite/backup.h"

#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <string>

#include "tidelock/base/backoff.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::replica::sqlite {
namespace {

using namespace std::chrono_literals;

struct Close {
  void operator()(sqlite3* db) const noexcept { sqlite3_close(db); }
};
using Handle = std::unique_ptr<sqlite3, Close>;

Code code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Code::database_locked;
    case SQLITE_NOTADB:
      return Code::not_a_database;
    case SQLITE_CORRUPT:
      return Code::corrupt;
    case SQLITE_FULL:
      return Code::disk_full;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Code::permission_denied;
    case SQLITE_READONLY:
      return Code::read_only;
    case SQLITE_CANTOPEN:
      return Code::not_found;
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return Code::too_large;
    default:
      return Code::io_error;
  }
}

[[noreturn]] void fail(int result, const base::Path& path, const std::string& what) {
  throw Error(code_of(result), base::quoted(path.string()) + " cannot be " + what,
              {.code = result, .message = sqlite3_errstr(result)}, path.string());
}

Handle open(const base::Path& path, int flags) {
  sqlite3* db = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_EXRESCODE, nullptr);
  Handle handle(db);
  if (result != SQLITE_OK) fail(result, path, "opened");
  return handle;
}

int run(sqlite3* db, const char* sql) { return sqlite3_exec(db, sql, nullptr, nullptr, nullptr); }

// For writing where that is allowed: what a crash left in a journal can then be put right first, as by any reader.
Handle open_master(const base::Path& path) {
  try {
    return open(path, SQLITE_OPEN_READWRITE);
  } catch (const Error& error) {
    if (error.code() != Code::permission_denied && error.code() != Code::read_only && error.code() != Code::not_found) {
      throw;
    }
  }
  return open(path, SQLITE_OPEN_READONLY);
}

struct Finish {
  void operator()(sqlite3_backup* backup) const noexcept { sqlite3_backup_finish(backup); }
};

}  // namespace

void backup(base::Runtime& runtime, const base::Path& master, const base::Path& copy, base::Duration patience,
            const std::stop_token& stop) {
  const auto from = open_master(master);
  const auto to = open(copy, SQLITE_OPEN_READWRITE);
  if (const int result = run(to.get(), "pragma synchronous = off; pragma journal_mode = off"); result != SQLITE_OK) {
    fail(result, copy, "written");
  }
  const auto deadline = runtime.in(patience);
  base::Backoff backoff({.base = 1ms, .cap = 50ms});
  for (;;) {
    const std::unique_ptr<sqlite3_backup, Finish> backup(sqlite3_backup_init(to.get(), "main", from.get(), "main"));
    if (backup == nullptr) fail(sqlite3_extended_errcode(to.get()), copy, "written");
    const int result = sqlite3_backup_step(backup.get(), -1);
    if (result == SQLITE_DONE) return;
    const bool busy = (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_LOCKED;
    if (!busy || deadline.passed(runtime.now()))
      fail(result, master, busy ? "read: a writer keeps it locked" : "copied");
    if (!runtime.sleep_for(backoff.next(runtime.random()), stop)) {
      throw Error(Code::cancelled, "copying " + master.string() + " was stopped");
    }
  }
}

}  // namespace tidelock::replica::sqlite
