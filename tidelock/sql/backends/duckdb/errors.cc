#include "tidelock/sql/backends/duckdb/errors.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace tidelock::sql::duckdb {
namespace {

using Between = std::pair<std::string_view, std::string_view>;

// The first row whose type and words fit counts. INVALID fits every type.
struct Row {
  duckdb_error_type type;
  std::string_view words;
  Code code;
  std::string_view meaning;
};

constexpr std::string_view kRaceLost = "lost against a concurrent transaction: run the whole unit again";
constexpr std::string_view kDiskFull = "the disk is full";
constexpr std::string_view kReadOnly = "a write where only reading is allowed";
constexpr std::string_view kNotADatabase = "the file is no DuckDB database";
constexpr std::string_view kCorrupt = "the database file is damaged";
constexpr std::string_view kRefused = "DuckDB refuses the statement";
constexpr std::string_view kNoExtension = "this needs an extension of DuckDB that is not here";

constexpr Row kRows[] = {
    // First, since its words quote the user's values.
    {DUCKDB_ERROR_CONSTRAINT, "", Code::constraint_violation, "a constraint is violated"},
    {DUCKDB_ERROR_TRANSACTION, "Conflict on ", Code::serialization_failure, kRaceLost},
    {DUCKDB_ERROR_TRANSACTION, "write-write conflict", Code::serialization_failure, kRaceLost},
    {DUCKDB_ERROR_TRANSACTION, "Transaction conflict", Code::serialization_failure, kRaceLost},
    // In commit: a row that was free when it was inserted was taken meanwhile.
    {DUCKDB_ERROR_TRANSACTION, "PRIMARY KEY or UNIQUE constraint violation", Code::serialization_failure, kRaceLost},
    {DUCKDB_ERROR_TRANSACTION, "foreign key constraint", Code::serialization_failure, kRaceLost},
    {DUCKDB_ERROR_INVALID, "has been invalidated because of a previous fatal error", Code::unavailable,
     "the engine shut this database down after an earlier error: it opens again when its last connection is closed"},
    {DUCKDB_ERROR_INVALID, "No space left on device", Code::disk_full, kDiskFull},
    {DUCKDB_ERROR_INVALID, "Disk quota exceeded", Code::disk_full, kDiskFull},
    {DUCKDB_ERROR_INVALID, "File too large", Code::disk_full, kDiskFull},
    {DUCKDB_ERROR_TRANSACTION, "read-only mode", Code::read_only, kReadOnly},
    {DUCKDB_ERROR_INVALID_INPUT, "read-only mode", Code::read_only, kReadOnly},
    {DUCKDB_ERROR_INVALID, "Read-only file system", Code::read_only, kReadOnly},
    {DUCKDB_ERROR_IO, "Could not set lock on file", Code::database_locked, "another process holds the database"},
    {DUCKDB_ERROR_CONNECTION, "with a different configuration", Code::misuse,
     "the database is open in this process with other settings"},
    {DUCKDB_ERROR_BINDER, "Unique file handle conflict", Code::misuse, "the database is open in this process already"},
    {DUCKDB_ERROR_IO, "not a valid DuckDB database file", Code::not_a_database, kNotADatabase},
    {DUCKDB_ERROR_IO, "sqlite_scanner", Code::not_a_database, "the file is an SQLite database: open it as sqlite:"},
    {DUCKDB_ERROR_INVALID, "encrypted", Code::not_a_database,
     "the database file is encrypted, and no key can be given"},
    {DUCKDB_ERROR_IO, "Trying to read a database file with version number", Code::newer_schema,
     "the database file is of another version of DuckDB"},
    {DUCKDB_ERROR_SERIALIZATION, "", Code::newer_schema, "the database file holds what this version cannot read"},
    {DUCKDB_ERROR_INVALID, "Corrupt database file", Code::corrupt, kCorrupt},
    {DUCKDB_ERROR_IO, "Could not read enough bytes", Code::corrupt, kCorrupt},
    {DUCKDB_ERROR_IO, "Is a directory", Code::invalid_argument, "a folder where a file is expected"},
    {DUCKDB_ERROR_IO, "Extension \"", Code::unsupported, kNoExtension},
    {DUCKDB_ERROR_IO, "extension \"", Code::unsupported, kNoExtension},
    {DUCKDB_ERROR_IO, "No such file", Code::not_found, "there is no such file"},
    {DUCKDB_ERROR_IO, "does not exist", Code::not_found, "there is no such file"},
    {DUCKDB_ERROR_IO, "No files found", Code::not_found, "there is no such file"},
    {DUCKDB_ERROR_IO, "Permission denied", Code::permission_denied, "the file may not be accessed"},
    {DUCKDB_ERROR_INVALID_INPUT, "Cannot prepare multiple statements", Code::statement_invalid,
     "several statements where one is expected (a PIVOT without an IN list counts as several)"},
    {DUCKDB_ERROR_INVALID_INPUT, "No statement to prepare", Code::statement_invalid, "no statement in the text"},
    {DUCKDB_ERROR_OUT_OF_RANGE, "maximum supported string size", Code::too_large, "over a limit of DuckDB"},
    {DUCKDB_ERROR_OUT_OF_MEMORY, "", Code::too_large, "this needs more memory or temporary space than DuckDB may take"},
    {DUCKDB_ERROR_OBJECT_SIZE, "", Code::too_large, "over a limit of DuckDB"},
    {DUCKDB_ERROR_INTERRUPT, "", Code::cancelled, "cancelled"},
    {DUCKDB_ERROR_PERMISSION, "", Code::permission_denied, "DuckDB is configured not to allow this"},
    {DUCKDB_ERROR_NOT_IMPLEMENTED, "", Code::unsupported, "DuckDB cannot do this"},
    {DUCKDB_ERROR_MISSING_EXTENSION, "", Code::unsupported, kNoExtension},
    {DUCKDB_ERROR_AUTOLOAD, "", Code::unsupported, kNoExtension},
    {DUCKDB_ERROR_IO, "", Code::io_error, "a read or write failed"},
    {DUCKDB_ERROR_HTTP, "", Code::io_error, "a read or write over the network failed"},
    {DUCKDB_ERROR_NETWORK, "", Code::io_error, "a read or write over the network failed"},
    {DUCKDB_ERROR_FATAL, "", Code::io_error, "the engine failed and shut the database down"},
    {DUCKDB_ERROR_INTERNAL, "", Code::internal, "the engine failed by a mistake of its own"},
};

bool fits(const Row& row, const Fault& fault) {
  const bool type = row.type == DUCKDB_ERROR_INVALID || row.type == fault.type;
  return type && fault.text.find(row.words) != fault.text.npos;
}

// Line breaks and runs of spaces as one space; without the excerpt of the statement, which is lost on one line.
std::string on_one_line(std::string_view text) {
  text = text.substr(0, text.find("\n\nLINE "));
  std::string line;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\0';
    if (!space) line += c;
    if (space && !line.empty() && line.back() != ' ') line += ' ';
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

std::string between(std::string_view text, const Between& marks) {
  const auto begin = text.find(marks.first);
  if (begin == text.npos) return {};
  text = text.substr(begin + marks.first.size());
  return std::string(text.substr(0, std::min(text.find(marks.second), text.find('\n'))));
}

// What the engine names, where it names something.
std::string object_of(const Fault& fault) {
  constexpr Between kMarks[] = {{"constraint failed: ", "\n"},  {"CHECK constraint failed on table ", " with"},
                                {"Duplicate key \"", ":"},      {"because key \"", ":"},
                                {"duplicate key \"", "\""},     {"Table with name ", " does"},
                                {"Referenced column \"", "\""}, {"Function with name ", " does"},
                                {"from file \"", "\""},         {" file \"", "\""}};
  for (const auto& marks : kMarks) {
    if (auto object = between(fault.text, marks); !object.empty()) return object;
  }
  return {};
}

struct TypeName {
  std::string_view name;
  duckdb_error_type type;
};
constexpr TypeName kTypeNames[] = {{"Out of Range", DUCKDB_ERROR_OUT_OF_RANGE},
                                   {"Conversion", DUCKDB_ERROR_CONVERSION},
                                   {"Mismatch Type", DUCKDB_ERROR_MISMATCH_TYPE},
                                   {"Object Size", DUCKDB_ERROR_OBJECT_SIZE},
                                   {"Invalid type", DUCKDB_ERROR_INVALID_TYPE},
                                   {"Serialization", DUCKDB_ERROR_SERIALIZATION},
                                   {"TransactionContext", DUCKDB_ERROR_TRANSACTION},
                                   {"Not implemented", DUCKDB_ERROR_NOT_IMPLEMENTED},
                                   {"Expression", DUCKDB_ERROR_EXPRESSION},
                                   {"Catalog", DUCKDB_ERROR_CATALOG},
                                   {"Parser", DUCKDB_ERROR_PARSER},
                                   {"Binder", DUCKDB_ERROR_BINDER},
                                   {"Constraint", DUCKDB_ERROR_CONSTRAINT},
                                   {"Connection", DUCKDB_ERROR_CONNECTION},
                                   {"Syntax", DUCKDB_ERROR_SYNTAX},
                                   {"Settings", DUCKDB_ERROR_SETTINGS},
                                   {"Network", DUCKDB_ERROR_NETWORK},
                                   {"IO", DUCKDB_ERROR_IO},
                                   {"INTERRUPT", DUCKDB_ERROR_INTERRUPT},
                                   {"FATAL", DUCKDB_ERROR_FATAL},
                                   {"INTERNAL", DUCKDB_ERROR_INTERNAL},
                                   {"Invalid Input", DUCKDB_ERROR_INVALID_INPUT},
                                   {"Out of Memory", DUCKDB_ERROR_OUT_OF_MEMORY},
                                   {"Permission", DUCKDB_ERROR_PERMISSION},
                                   {"Dependency", DUCKDB_ERROR_DEPENDENCY},
                                   {"HTTP", DUCKDB_ERROR_HTTP},
                                   {"Missing Extension", DUCKDB_ERROR_MISSING_EXTENSION},
                                   {"Extension Autoloading", DUCKDB_ERROR_AUTOLOAD},
                                   {"Sequence", DUCKDB_ERROR_SEQUENCE},
                                   {"Invalid Configuration", DUCKDB_INVALID_CONFIGURATION}};

}  // namespace

Fault fault_from_text(const char* text) {
  Fault fault{DUCKDB_ERROR_INVALID, text != nullptr ? text : "the engine does not say what is wrong"};
  const std::string_view view = fault.text;
  const auto end = view.find(" Error: ");
  if (end == view.npos) return fault;
  for (const auto& [name, type] : kTypeNames) {
    if (view.substr(0, end) == name) fault.type = type;
  }
  return fault;
}

Error to_error(const Fault& fault) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return fits(r, fault); });
  const bool known = row != std::end(kRows);  // What is not in the table is the statement's own: syntax, types, names.
  return Error(known ? row->code : Code::statement_invalid, std::string(known ? row->meaning : kRefused),
               {static_cast<int>(fault.type), on_one_line(fault.text)}, object_of(fault));
}

bool is_fatal(const Fault& fault) {
  return fault.type == DUCKDB_ERROR_FATAL || fault.type == DUCKDB_ERROR_INTERNAL || is_committed(fault);
}

bool is_exhaustion(const Fault& fault) {
  return fault.type == DUCKDB_ERROR_OUT_OF_MEMORY || to_error(fault).code() == Code::disk_full;
}

bool is_committed(const Fault& fault) { return fault.text.find("COMMIT succeeded and is durable") != fault.text.npos; }

int lock_holder(const Fault& fault) {
  const auto number = between(fault.text, {"PID ", ")"});
  int pid = 0;
  std::from_chars(number.data(), number.data() + number.size(), pid);
  return pid;
}

}  // namespace tidelock::sql::duckdb
