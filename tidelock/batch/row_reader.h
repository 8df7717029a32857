// Rows of a source, checked against a record, in chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidelock/batch/condition.h"
#include "tidelock/batch/fingerprint.h"
#include "tidelock/batch/job.h"
#include "tidelock/batch/source.h"

namespace tidelock::batch {

// A row that does not fit.
struct BadRow {
  std::uint64_t position = 0;  // In the source, from 1.
  std::string place;
  std::string record;  // As it was read.
  std::string error;
};

// How far a source was read.
struct Mark {
  std::uint64_t position = 0;     // Rows.
  std::uint64_t fingerprint = 0;  // Of their content.
  std::uint64_t passed_over = 0;  // Since the reader began or went on.
  std::uint64_t bad = 0;          // The same.
};

// The rows of one transaction. Reused from chunk to chunk.
class Chunk {
 public:
  std::size_t size() const { return marks_.size(); }
  std::span<const sql::ValueView> row(std::size_t i) const {
    return std::span(values_).subspan(i * columns_, columns_);
  }
  const std::string& place(std::size_t i) const { return places_[i]; }
  const Mark& after(std::size_t i) const { return marks_[i]; }  // Including this row, and all before it.
  const Mark& end() const { return end_; }  // Of the whole, bad rows and others at its end included.
  std::span<const BadRow> bad() const { return bad_; }
  bool last() const { return last_; }          // Nothing comes after it.
  bool too_many() const { return too_many_; }  // The last bad row is one too many; nothing was read after it.

  // For people: the values of a row, as text.
  BadRow as_bad_row(std::size_t i, std::string error) const;

 private:
  friend class RowReader;
  void reset(std::size_t columns);

  std::size_t columns_ = 0;
  std::pmr::monotonic_buffer_resource text_;
  std::vector<sql::ValueView> values_;
  std::vector<Mark> marks_;
  std::vector<std::string> places_;
  std::vector<BadRow> bad_;
  Mark end_;
  bool last_ = false;
  bool too_many_ = false;
};

// Used by one task.
class RowReader {
 public:
  // Errors: invalid_argument when the columns of the source are not the fields of the record (says which).
  RowReader(std::unique_ptr<Source> source, const ChunkStep& step, const Moment& moment);

  const std::vector<std::string>& columns() const { return columns_; }  // Of Chunk::row().

  // Goes on behind the rows that an earlier execution has done. Error: invalid_argument when they are not the same rows
  // any more.
  void pass_over(std::uint64_t position, std::uint64_t fingerprint);

  // Reads up to `rows` good rows; stops after `bad_max` + 1 bad ones.
  void read(Chunk& chunk, std::size_t rows, std::uint64_t bad_max);

 private:
  enum class Verdict { good, passed_over, bad };

  void map_columns(const Record& record);
  Verdict judge(std::string& error);
  void convert(std::size_t field);
  bool is_wanted();
  void check();
  void keep(Chunk& chunk);
  void advance();

  const std::unique_ptr<Source> source_;
  const Moment moment_;
  std::vector<Field> fields_;           // Of the record; empty without one.
  std::vector<std::size_t> source_of_;  // For each field, its column in the source.
  std::optional<Condition> only_;
  std::vector<Condition> checks_;
  std::vector<std::string> columns_;

  std::vector<sql::ValueView> row_;           // Of the current row, converted.
  std::vector<bool> converted_;               // Which fields of it.
  std::pmr::monotonic_buffer_resource made_;  // Text that a conversion made.
  Fingerprint fingerprint_;
  Mark mark_;
  bool more_ = false;  // The source stands on a row.
};

}  // namespace tidelock::batch
