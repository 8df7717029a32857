// Values into a column of a chunk, written straight into the engine's vector.
//
// A column takes the kinds that ColumnReader gives for its type, and what converts without a loss: an int64 into any
// number that holds it, a decimal into decimals and integers that hold it, text into enums and whatever else the engine
// casts text to. Nothing is rounded, but a double for a column of floats: to the nearest one.
#pragma once

#include <cstdint>
#include <string>

#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/decimal.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql::duckdb {

// One column of one table. Used by one task at a time.
class ColumnWriter {
 public:
  // `type` is that of the table's column; `name` is for messages.
  ColumnWriter(const Api& api, TypeHandle type, std::string name);

  // The type to make the chunk of: the column's own, or varchar where the engine is left to cast.
  duckdb_logical_type chunk_type() const { return type_.get(); }
  // From here on rows are those of `vector`, a column of an empty chunk.
  void attach(duckdb_vector vector);
  // Errors: invalid_argument for a kind that the column does not take or a value that does not fit; too_large.
  void write(idx_t row, const ValueView& value);

 private:
  struct Visitor;
  using Store = void (ColumnWriter::*)(idx_t row, Int128 number);

  void choose();
  void write_null(idx_t row);
  template <typename T>
  void put(idx_t row, const T& value) {
    static_cast<T*>(data_)[row] = value;
  }
  template <typename T>
  void store_integer(idx_t row, Int128 number);
  template <typename T>
  void store_decimal(idx_t row, Int128 unscaled);
  void put_bytes(idx_t row, const char* data, std::size_t size_bytes);
  [[noreturn]] void refuse(const ValueView& value, const char* why) const;

  const Api& api_;
  TypeHandle type_;
  std::string what_;  // "column price"
  duckdb_type id_;    // Of chunk_type().
  unsigned width_ = 0;
  unsigned scale_ = 0;
  Store store_ = nullptr;  // For columns of exact numbers.
  duckdb_vector vector_ = nullptr;
  void* data_ = nullptr;
  std::uint64_t* validity_ = nullptr;  // Null as long as no null was written.
};

}  // namespace tidelock::sql::duckdb
