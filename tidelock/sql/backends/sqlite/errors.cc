#include "tidelock/sql/backends/sqlite/errors.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>

namespace tidelock::sql::sqlite {
namespace {

using enum Code;

constexpr std::array kMeanings = {
    Meaning{SQLITE_ERROR, statement_invalid, "SQLite refuses the statement"},
    Meaning{SQLITE_ERROR_MISSING_COLLSEQ, statement_invalid, "a collating sequence is not known here"},
    Meaning{SQLITE_ERROR_RETRY, serialization_failure, "the schema changed while the statement was prepared"},
    Meaning{SQLITE_INTERNAL, internal, "SQLite found itself in a wrong state"},
    Meaning{SQLITE_PERM, permission_denied, "the system denies access"},
    Meaning{SQLITE_ABORT, misuse, "the statement was aborted, since its transaction was rolled back"},
    Meaning{SQLITE_BUSY, database_locked, "another connection holds the lock"},
    Meaning{SQLITE_BUSY_RECOVERY, database_locked, "another process recovers the database"},
    Meaning{SQLITE_BUSY_SNAPSHOT, serialization_failure, "another connection wrote since this transaction read"},
    Meaning{SQLITE_LOCKED, misuse, "another statement of this connection uses the table"},
    Meaning{SQLITE_LOCKED_SHAREDCACHE, database_locked, "another connection to the shared cache holds the lock"},
    Meaning{SQLITE_NOMEM, io_error, "there is no memory left"},
    Meaning{SQLITE_READONLY, read_only, "nothing may be written here"},
    Meaning{SQLITE_READONLY_RECOVERY, read_only,
            "the write-ahead log must be recovered, and nothing may be written: open it once for writing"},
    Meaning{SQLITE_READONLY_CANTLOCK, read_only,
            "the -shm file of the database cannot be written, so that not even reading is possible"},
    Meaning{SQLITE_READONLY_DBMOVED, not_found, "the file was moved or removed since it was opened: open it anew"},
    Meaning{SQLITE_READONLY_DIRECTORY, read_only, "no file can be made in the folder of the database"},
    Meaning{SQLITE_INTERRUPT, cancelled, "stopped on request"},
    Meaning{SQLITE_IOERR, io_error, "a file could not be read or written"},
    Meaning{SQLITE_IOERR_NOMEM, io_error, "there is no memory left"},
    Meaning{SQLITE_IOERR_DATA, corrupt, "a page does not match its checksum: restore the database from a backup"},
    Meaning{SQLITE_IOERR_CORRUPTFS, corrupt, "the file system is damaged"},
    Meaning{SQLITE_CORRUPT, corrupt, "the database is damaged: restore it from a backup"},
    Meaning{SQLITE_NOTFOUND, internal, "SQLite does not know an operation of its own"},
    Meaning{SQLITE_FULL, disk_full, "the disk is full: free space, then run the unit again"},
    Meaning{SQLITE_CANTOPEN, io_error, "a file cannot be opened"},
    Meaning{SQLITE_PROTOCOL, database_locked, "other connections keep the locks of the database busy"},
    Meaning{SQLITE_SCHEMA, serialization_failure, "the schema keeps changing"},
    Meaning{SQLITE_TOOBIG, too_large, "a value or a statement is over SQLite's limit"},
    Meaning{SQLITE_CONSTRAINT, constraint_violation, "a constraint is violated"},
    Meaning{SQLITE_CONSTRAINT_CHECK, constraint_violation, "a check constraint is violated"},
    Meaning{SQLITE_CONSTRAINT_FOREIGNKEY, constraint_violation, "a foreign key is violated"},
    Meaning{SQLITE_CONSTRAINT_NOTNULL, constraint_violation, "a not-null constraint is violated"},
    Meaning{SQLITE_CONSTRAINT_PRIMARYKEY, constraint_violation, "a primary key is violated"},
    Meaning{SQLITE_CONSTRAINT_ROWID, constraint_violation, "a primary key is violated"},
    Meaning{SQLITE_CONSTRAINT_TRIGGER, constraint_violation, "a trigger refuses the change"},
    Meaning{SQLITE_CONSTRAINT_UNIQUE, constraint_violation, "a unique constraint is violated"},
    Meaning{SQLITE_CONSTRAINT_DATATYPE, constraint_violation, "a value is not of the type that its column demands"},
    Meaning{SQLITE_MISMATCH, statement_invalid, "a value is not of the type that the statement demands"},
    Meaning{SQLITE_MISUSE, internal, "SQLite was called in a wrong way"},
    Meaning{SQLITE_NOLFS, too_large, "the file system has no files of this size"},
    Meaning{SQLITE_AUTH, permission_denied, "the statement is not authorized"},
    Meaning{SQLITE_FORMAT, not_a_database, "the file is of another format"},
    Meaning{SQLITE_RANGE, internal, "a parameter or column number is out of range"},
    Meaning{SQLITE_NOTADB, not_a_database, "the file is no SQLite database, or its header is damaged or encrypted"},
};

constexpr Meaning kUnknownMeaning{-1, internal, "SQLite failed with a code that is not known here"};

int primary(int result) { return result & 0xff; }

}  // namespace

const Meaning& meaning(int result) {
  for (const int wanted : {result, primary(result)}) {
    const auto found = std::ranges::find(kMeanings, wanted, &Meaning::result);
    if (found != kMeanings.end()) return *found;
  }
  return kUnknownMeaning;
}

bool may_be_applied(int result) {
  switch (result) {
    case SQLITE_IOERR_READ:  // These come before anything is written.
    case SQLITE_IOERR_SHORT_READ:
    case SQLITE_IOERR_FSTAT:
    case SQLITE_IOERR_LOCK:
    case SQLITE_IOERR_RDLOCK:
    case SQLITE_IOERR_CHECKRESERVEDLOCK:
    case SQLITE_IOERR_ACCESS:
      return false;
    default:
      return primary(result) == SQLITE_IOERR || primary(result) == SQLITE_NOMEM;
  }
}

bool concerns_the_file(Code code) {
  switch (code) {
    case not_found:
    case permission_denied:
    case read_only:
    case not_a_database:
    case corrupt:
    case newer_schema:
    case disk_full:
    case io_error:
    case database_locked:
      return true;
    default:
      return false;
  }
}

std::string object_of(int result, std::string_view message) {
  if (primary(result) != SQLITE_CONSTRAINT) return {};
  for (const std::string_view before : {"constraint failed: ", " column "}) {
    if (const auto at = message.find(before); at != message.npos)
      return std::string(message.substr(at + before.size()));
  }
  return {};
}

Error error_of(int result, std::string_view message, std::string_view about) {
  const auto& known = meaning(result);
  auto object = object_of(result, message);
  auto text = std::string(known.words);
  if (!object.empty()) text += " (" + object + ")";
  text += ": ";
  text += about;
  return Error(known.code, std::move(text), {result, std::string(message)}, std::move(object));
}

}  // namespace tidelock::sql::sqlite
