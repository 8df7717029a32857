// What an engine is and what it can do. A thing it cannot do is declared with the reason, never found out by trying.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/value.h"

namespace tidelock::sql {

// The levels of the SQL standard, and snapshot isolation, which it forgot (Berenson et al., 1995).
enum class Isolation : std::uint8_t { read_uncommitted, read_committed, repeatable_read, snapshot, serializable };
std::string_view name(Isolation isolation);

// How text is read by an engine: what can hide a '?'.
struct Lexis {
  bool backtick_identifiers = false;   // `name`
  bool bracket_identifiers = false;    // [name]
  bool dollar_quotes = false;          // $tag$ text $tag$
  bool backslash_escapes = false;      // 'it\'s'
  bool escape_strings = false;         // E'it\'s'
  bool nested_comments = false;        // /* /* */ */
  bool hash_comments = false;          // # to the end of the line
  bool numbered_placeholders = false;  // The engine wants $1, $2 … in place of '?'.
};

// Where a commit stands in its database's history, in the engine's own notation (LSN, GTID, change count). Empty where
// the engine has none or nothing was written. Dialect::compare_positions orders them.
struct Position {
  std::string text;
  bool empty() const { return text.empty(); }
  friend bool operator==(const Position&, const Position&) = default;
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
  std::string savepoints_note;     // Why there are none.
  std::string position_note;       // What the position is, or why there is none.

  // Which of two positions of one database is later; unordered where the engine cannot tell. Null without positions.
  std::partial_ordering (*compare_positions)(const Position& a, const Position& b) = nullptr;

  bool has(Isolation isolation) const;
  // The type to declare a column with so that values of `kind` come back exactly as they went in.
  std::string (*column_type)(Kind kind) = nullptr;
  // "identifier", with the engine's quotes and its own quotes doubled.
  std::string quote(std::string_view identifier) const;
};

}  // namespace tidelock::sql
