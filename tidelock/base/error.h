// The one exception type of the library, its codes, and what a caller should do about each.
//
// A code exists only where a caller would react to it. Expected outcomes (a lock that is held) are values, not errors.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace tidelock {

enum class Code {
  // The call or the state it meets must be changed first.
  invalid_argument,      // A value out of range, malformed text, a wrong type or count.
  unsupported,           // The engine or backend cannot do this; the message says what to use instead.
  misuse,                // A programming mistake: used after its end, used by two tasks at once.
  not_found,             // The file, database or key does not exist.
  already_exists,        //
  permission_denied,     //
  read_only,             // A write on a read-only transaction, database, folder or server.
  read_only_server,      // A standby or replica, where the primary is needed: connect to that.
  not_a_database,        // The file is of another kind, or its header is damaged.
  corrupt,               // The file is of the right kind and damaged inside.
  newer_schema,          // Written by a newer version of Tidelock or of the engine.
  statement_invalid,     // The engine refuses the SQL: syntax, an unknown table or column, a type error.
  constraint_violation,  // Unique, foreign key, check or not-null; Error::object() names it where known.
  too_large,             // Over a limit of the engine.
  disk_full,             // Nothing of the unit was kept; free space, then run the unit again.
  io_error,              // The operating system failed a read or write for another reason.
  cancelled,             // Stopped on request.
  lease_lost,            // The lease is no longer held: stop, another holder may be running.
  fenced,                // The resource has seen a newer fencing token: stop.
  not_holder,            // Renewing or releasing a lease of somebody else.
  permits_differ,        // Holders of one semaphore declare different numbers of permits.
  internal,              // A bug in Tidelock.
  // Was not applied: the same call may be repeated.
  unavailable,      // The server or arbiter could not be reached.
  database_locked,  // Another process or transaction holds the database, table or row; who, where the system tells.
  timeout,          // A deadline or a statement timeout passed, and what was begun is undone.
  // The transaction is rolled back: run the whole unit again.
  serialization_failure,  // Lost against a concurrent transaction.
  stale_version,          // A row was changed since it was read (sql/versioned.h): read it again.
  deadlock,               // Chosen as the victim of a cycle of waits.
  connection_lost,        // Before commit was sent.
  // May have been applied.
  unknown_outcome,  // Only an idempotent caller may repeat it.
};

enum class Disposition {
  permanent,   // Fix the call, or the state it met, first.
  retry_call,  // It was not applied: the same call may be repeated.
  rerun_unit,  // The transaction was rolled back: run the whole unit again, not the statement.
  unknown,     // It may have been applied: only an idempotent caller may repeat it.
};

Disposition disposition(Code code);
std::string_view name(Code code);  // The enumerator, e.g. "lease_lost". Persisted in state rows: never change one.
std::string_view name(Disposition disposition);

// Thread-safe to read. what() is one line: the message, then the backend's own words in brackets.
class Error : public std::exception {
 public:
  // What a backend said itself, where it said anything.
  struct Native {
    int code = 0;
    std::string message;
    std::string state{};  // SQLSTATE, where it has one: "23505".
  };

  Error(Code code, std::string message);
  Error(Code code, std::string message, Native native, std::string object = {});

  const char* what() const noexcept override { return text_.c_str(); }
  Code code() const { return code_; }
  Disposition disposition() const { return tidelock::disposition(code_); }
  const std::string& message() const { return message_; }
  const std::optional<Native>& native() const { return native_; }
  // The constraint, table, file or key the backend named; empty where it named none.
  const std::string& object() const { return object_; }

 private:
  Code code_;
  std::string message_;
  std::optional<Native> native_;
  std::string object_;
  std::string text_;
};

}  // namespace tidelock
