// Reading a file of comma-separated values (RFC 4180), strictly and as a stream.
#pragma once

#include <csv.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/batch/bytes.h"

namespace tidelock::batch {

// One line of the file, or more where a quoted field has line breaks. Views are valid until the next row is read.
struct CsvRow {
  std::span<const std::optional<std::string_view>> fields;  // Empty: nothing between two commas; "" is an empty text.
  std::uint64_t line = 0;                                   // Where it begins, from 1.
};

// Comma, double quotes, lines that end in LF or CRLF; a byte order mark of UTF-8 is dropped; blank lines are passed
// over; blanks belong to their field. A quote may only begin and end a field, and doubled stand inside of one: anything
// else is an error, because nobody can tell where the next row begins. Used by one task.
class CsvReader {
 public:
  // Reads the header. Errors: those of open_bytes(); invalid_argument for an empty file, UTF-16, a column without a
  // name or with one that comes twice.
  CsvReader(base::Files& files, const base::Path& path);
  ~CsvReader();
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  const std::vector<std::string>& header() const { return header_; }

  // False at the end. A row may have too few or too many fields: see header(). Errors: those of Bytes; invalid_argument
  // for a bad quote, with file and line; too_large for a field beyond 16 MiB.
  bool next(CsvRow& row);

 private:
  struct Place {
    std::size_t begin;
    std::size_t length;
    bool present;
  };
  struct Line {
    std::size_t first;  // Of its fields.
    std::size_t count;
    std::uint64_t line;
  };

  static void on_field(void* data, std::size_t length, void* self);
  static void on_row(int terminator, void* self);
  void read_header();
  void refill();
  void parse(std::span<const std::byte> bytes);
  [[noreturn]] void refuse(std::uint64_t line, const std::string& why) const;

  const base::Path path_;
  std::unique_ptr<Bytes> bytes_;
  std::vector<std::byte> buffer_;
  csv_parser parser_{};
  bool at_end_ = false;
  bool at_begin_ = true;

  // What was parsed of the last block and not yet handed out.
  std::string text_;
  std::vector<Place> places_;
  std::vector<Line> lines_;
  std::size_t next_line_ = 0;
  std::size_t row_begin_ = 0;   // First field of the row that is being parsed.
  std::uint64_t line_ = 1;      // That the parser is in.
  std::uint64_t row_line_ = 1;  // Where the row that is being parsed begins.

  std::vector<std::string> header_;
  std::vector<std::optional<std::string_view>> fields_;
};

}  // namespace tidelock::batch
