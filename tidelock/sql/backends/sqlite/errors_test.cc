#include "tidelock/sql/backends/sqlite/errors.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <vector>

namespace tidelock::sql::sqlite {
namespace {

struct Row {
  int result;
  Code code;
};

TEST(SqliteErrors, EachResultCodeHasItsMeaning) {
  using enum Code;
  const std::vector<Row> table = {
      {SQLITE_ERROR, statement_invalid},
      {SQLITE_ERROR_MISSING_COLLSEQ, statement_invalid},
      {SQLITE_ERROR_RETRY, serialization_failure},
      {SQLITE_ERROR_SNAPSHOT, statement_invalid},
      {SQLITE_INTERNAL, internal},
      {SQLITE_PERM, permission_denied},
      {SQLITE_ABORT, misuse},
      {SQLITE_ABORT_ROLLBACK, misuse},
      {SQLITE_BUSY, database_locked},
      {SQLITE_BUSY_RECOVERY, database_locked},
      {SQLITE_BUSY_SNAPSHOT, serialization_failure},
      {SQLITE_BUSY_TIMEOUT, database_locked},
      {SQLITE_LOCKED, misuse},
      {SQLITE_LOCKED_SHAREDCACHE, database_locked},
      {SQLITE_LOCKED_VTAB, misuse},
      {SQLITE_NOMEM, io_error},
      {SQLITE_READONLY, read_only},
      {SQLITE_READONLY_RECOVERY, read_only},
      {SQLITE_READONLY_CANTLOCK, read_only},
      {SQLITE_READONLY_ROLLBACK, read_only},
      {SQLITE_READONLY_DBMOVED, not_found},
      {SQLITE_READONLY_CANTINIT, read_only},
      {SQLITE_READONLY_DIRECTORY, read_only},
      {SQLITE_INTERRUPT, cancelled},
      {SQLITE_IOERR, io_error},
      {SQLITE_IOERR_READ, io_error},
      {SQLITE_IOERR_SHORT_READ, io_error},
      {SQLITE_IOERR_WRITE, io_error},
      {SQLITE_IOERR_FSYNC, io_error},
      {SQLITE_IOERR_DIR_FSYNC, io_error},
      {SQLITE_IOERR_TRUNCATE, io_error},
      {SQLITE_IOERR_LOCK, io_error},
      {SQLITE_IOERR_NOMEM, io_error},
      {SQLITE_IOERR_SHMSIZE, io_error},
      {SQLITE_IOERR_SHMMAP, io_error},
      {SQLITE_IOERR_DATA, corrupt},
      {SQLITE_IOERR_CORRUPTFS, corrupt},
      {SQLITE_CORRUPT, corrupt},
      {SQLITE_CORRUPT_VTAB, corrupt},
      {SQLITE_CORRUPT_INDEX, corrupt},
      {SQLITE_NOTFOUND, internal},
      {SQLITE_FULL, disk_full},
      {SQLITE_CANTOPEN, io_error},
      {SQLITE_CANTOPEN_ISDIR, io_error},
      {SQLITE_PROTOCOL, database_locked},
      {SQLITE_SCHEMA, serialization_failure},
      {SQLITE_TOOBIG, too_large},
      {SQLITE_CONSTRAINT, constraint_violation},
      {SQLITE_CONSTRAINT_CHECK, constraint_violation},
      {SQLITE_CONSTRAINT_COMMITHOOK, constraint_violation},
      {SQLITE_CONSTRAINT_FOREIGNKEY, constraint_violation},
      {SQLITE_CONSTRAINT_FUNCTION, constraint_violation},
      {SQLITE_CONSTRAINT_NOTNULL, constraint_violation},
      {SQLITE_CONSTRAINT_PRIMARYKEY, constraint_violation},
      {SQLITE_CONSTRAINT_TRIGGER, constraint_violation},
      {SQLITE_CONSTRAINT_UNIQUE, constraint_violation},
      {SQLITE_CONSTRAINT_ROWID, constraint_violation},
      {SQLITE_CONSTRAINT_DATATYPE, constraint_violation},
      {SQLITE_MISMATCH, statement_invalid},
      {SQLITE_MISUSE, internal},
      {SQLITE_NOLFS, too_large},
      {SQLITE_AUTH, permission_denied},
      {SQLITE_FORMAT, not_a_database},
      {SQLITE_RANGE, internal},
      {SQLITE_NOTADB, not_a_database},
      {250, internal},
  };
  for (const auto& row : table) {
    EXPECT_EQ(name(meaning(row.result).code), name(row.code)) << row.result << " " << sqlite3_errstr(row.result);
    EXPECT_FALSE(meaning(row.result).words.empty());
  }
}

TEST(SqliteErrors, OnlyWhatFailedAfterWritingMayBeApplied) {
  for (const int result : {SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_SHMSIZE,
                           SQLITE_IOERR_SHMMAP, SQLITE_IOERR, SQLITE_IOERR_NOMEM, SQLITE_NOMEM}) {
    EXPECT_TRUE(may_be_applied(result)) << result;
  }
  for (const int result :
       {SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT, SQLITE_FULL, SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_INTERRUPT,
        SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_LOCK, SQLITE_READONLY, SQLITE_CORRUPT}) {
    EXPECT_FALSE(may_be_applied(result)) << result;
  }
}

TEST(SqliteErrors, TheObjectOfAConstraintIsNamed) {
  EXPECT_EQ(object_of(SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.a, t.b"), "t.a, t.b");
  EXPECT_EQ(object_of(SQLITE_CONSTRAINT_CHECK, "CHECK constraint failed: positive"), "positive");
  EXPECT_EQ(object_of(SQLITE_CONSTRAINT_NOTNULL, "NOT NULL constraint failed: t.a"), "t.a");
  EXPECT_EQ(object_of(SQLITE_CONSTRAINT_DATATYPE, "cannot store TEXT value in INTEGER column t.a"), "t.a");
  EXPECT_EQ(object_of(SQLITE_CONSTRAINT_FOREIGNKEY, "FOREIGN KEY constraint failed"), "");
  EXPECT_EQ(object_of(SQLITE_ERROR, "no such column: x"), "");
}

TEST(SqliteErrors, AnErrorSaysWhatAboutWhatAndInSqlitesWords) {
  const auto error = error_of(SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: t.a", "\"insert …\"");
  EXPECT_EQ(error.code(), Code::constraint_violation);
  EXPECT_EQ(error.object(), "t.a");
  EXPECT_EQ(error.native()->code, SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_STREQ(error.what(),
               "a unique constraint is violated (t.a): \"insert …\" [UNIQUE constraint failed: t.a (2067)]");
}

}  // namespace
}  // namespace tidelock::sql::sqlite
