// What an engine is and what it can do. A thing it cannot do is declared with the reason, never found out by trying.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql {

// The levels of the SQL standard, and snapshot isolation, which it forgot (Berenson et al., 1995).
enum class Isolation : std::uint8_t { read_uncommitted, read_committed, repeatable_read, snapshot, serializable };
std::string_view name(Isolation isolation);

// How text is read by an engine: what can hide a '?' or a keyword. See lexer.h.
struct Lexis {
  bool backtick_identifiers = false;      // `name`
  bool bracket_identifiers = false;       // [name]
  bool dollar_quotes = false;             // $tag$ text $tag$
  bool backslash_escapes = false;         // 'it\'s'
  bool escape_strings = false;            // E'it\'s', also the parts of such a string on the lines below
  bool nested_comments = false;           // /* /* */ */
  bool hash_comments = false;             // # to the end of the line
  bool numbered_placeholders = false;     // The engine wants $1, $2 … in place of '?'.
  bool double_quoted_strings = false;     // "text" is a string
  bool dash_comments_need_space = false;  // a--1 is a minus minus one
  bool return_ends_comment = false;       // A -- comment also ends at a carriage return.
  bool executable_comments = false;       // /*!50000 text */ and /*M! text */ are text that some servers execute.
  bool at_variables = false;              // @name and @@name are variables of the session or the server.
  bool unicode_spaces = false;            // Spaces beyond ASCII separate words.
  bool byte_order_mark_is_space = false;  // U+FEFF where a token may begin
  bool named_parameters = false;          // :name, @name, $name and #name stand for values, also :a::b and :a(text)
  bool user_is_value = false;             // `user` without quotes is the session's user, never a column.
  bool trigger_bodies = false;            // create trigger … begin …; …; end: a statement with semicolons in it

  friend bool operator==(const Lexis&, const Lexis&) = default;
};

// Where a commit stands in its database's history, in the engine's own notation (LSN, GTID, change count). Empty where
// the engine has none or nothing was written. Dialect::compare_positions orders them.
struct Position {
  std::string text;
  bool empty() const { return text.empty(); }
  friend bool operator==(const Position&, const Position&) = default;
};

// A transaction that was prepared and waits for commit_prepared() or rollback_prepared().
struct PreparedTransaction {
  std::string xid;
  std::optional<base::WallTime> since{};  // Where the engine tells.
};

// What a session that listens was told.
struct Notification {
  std::string channel;
  std::string payload;
};

// Something that not every engine can do.
struct Capability {
  bool supported = false;
  std::string note{};  // Why it cannot, and what to do instead; or how far it can.
  explicit operator bool() const { return supported; }
};

// A part of a statement that not every engine has.
struct Clause {
  std::string sql{};   // As this engine writes it: "for update". Empty: it has none.
  std::string note{};  // Why it has none; or what it does here.
  explicit operator bool() const { return !sql.empty(); }
};

// What a select may end with, in this order: a lock, then what to do about rows that somebody else has locked.
struct RowLocks {
  Clause for_update;
  Clause for_share;
  Clause skip_locked;
  Clause nowait;  // Error: database_locked.
  // A whole statement, with {} for the table, that holds to the end of the transaction: nobody else writes it.
  Clause lock_table;
};

// Constant for one Database.
struct Dialect {
  std::string engine;   // "sqlite", "duckdb"
  std::string version;  // As the loaded library says: "3.40.1"
  Lexis lexis;
  // The levels that can be asked for, the default one first. Asking for another is refused as unsupported.
  std::vector<Isolation> isolation_levels;
  // Why a level is missing, for the refusal: "SQLite runs every transaction serializable".
  std::string isolation_note;
  bool one_writer = false;         // Writers of one database wait for each other (SQLite).
  bool savepoints = false;         //
  bool poisoned_by_error = false;  // Any failed statement dooms the transaction (DuckDB).
  bool commit_position = false;    // commit() returns a position.
  bool transactional_ddl = true;   // Making a table is part of a transaction; else it ends one.
  bool on_duplicate_key = false;   // Spells upserts "on duplicate key update" (see upsert.h), not "on conflict".
  std::string savepoints_note;     // Why there are none.
  std::string position_note;       // What the position is, or why there is none.

  bool is_server = false;                // Connections break, grow old, and cost time to open.
  std::string is_standby;                // A query: whether it follows another or is kept read-only. Empty: it cannot.
  Capability lock_timeout;               // TransactionOptions::lock_timeout
  Capability two_phase;                  // TransactionOptions::xid and what belongs to it
  bool prepare_ends_connection = false;  // After prepare_commit() its Connection can only be given back.
  Capability session_id;                 // Connection::session_id()
  Capability notifications;              // Connection::listen()
  RowLocks row_locks;

  // Which of two positions of one database is later; unordered where the engine cannot tell. Null without positions.
  std::partial_ordering (*compare_positions)(const Position& a, const Position& b) = nullptr;

  bool has(Isolation isolation) const;
  // The type to declare a column with so that values of `kind` come back exactly as they went in.
  std::string (*column_type)(Kind kind) = nullptr;
  char identifier_quote = '"';
  // "identifier", with the engine's quotes and its own quotes doubled.
  std::string quote(std::string_view identifier) const;

  // Error: unsupported, with the note. `what` as in "no two-phase commit on sqlite".
  void require(const Capability& capability, std::string_view what) const;
  // Its text. Error: as above.
  const std::string& require(const Clause& clause, std::string_view what) const;
};

}  // namespace tidelock::sql
