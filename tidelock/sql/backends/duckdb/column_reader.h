// Columns of a result as values. Reads the engine's vectors in place: nothing is copied or allocated per row.
//
//   boolean                                          bool
//   tinyint … bigint, utinyint … uinteger            int64
//   ubigint, hugeint, uhugeint, decimal              decimal
//   float, double                                    double
//   varchar, enum, interval                          text
//   json                                             json
//   blob                                             blob
//   date, time, time_ns                              date, time
//   timestamp (also with time zone, _s, _ms, _ns)    timestamp
//   uuid                                             uuid
// Everything else (list, struct, map, array, union, variant, bit, bignum, time with time zone, …) a query casts to
// text (nested.h); here it is refused as unsupported, with the cast to write. Refused as well is what the value's kind
// cannot hold: infinite dates and timestamps, nanoseconds, the time 24:00, text with NUL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/sql/backends/duckdb/api.h"
#include "tidelock/sql/backends/duckdb/decimal.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql::duckdb {

// One column of one result. Used by one task at a time.
class ColumnReader {
 public:
  ColumnReader(const Api& api, duckdb_result& result, idx_t index);

  // Whether a column of this type is read; also where the type is not known yet.
  static bool has_kind(duckdb_type type);

  const std::string& name() const { return name_; }
  // From here on rows are those of `vector`, a column of a chunk that must live as long as they are asked for.
  void attach(duckdb_vector vector);
  // Valid until the next call with another row or attach(). Errors: invalid_argument, unsupported.
  ValueView value(idx_t row) {
    if (validity_ != nullptr && (validity_[row / 64] >> (row % 64) & 1) == 0) return Null{};
    return (this->*read_)(row);
  }

 private:
  using Read = ValueView (ColumnReader::*)(idx_t row);

  static Read choose(duckdb_type type);
  Read choose_decimal(const TypeHandle& type);
  Read choose_enum(const TypeHandle& type);

  template <typename T>
  const T& at(idx_t row) const {
    return static_cast<const T*>(data_)[row];
  }
  std::string_view bytes_at(idx_t row) const;
  [[noreturn]] void refuse(Code code, const std::string& what) const;

  template <typename T>
  ValueView read_same(idx_t row);
  template <typename T>
  ValueView read_integer(idx_t row);
  template <typename T>
  ValueView read_decimal(idx_t row);
  template <typename T>
  ValueView read_enum(idx_t row);
  template <std::int64_t kPerSecond>
  ValueView read_timestamp(idx_t row);
  ValueView read_ubigint(idx_t row);
  ValueView read_hugeint(idx_t row);
  ValueView read_uhugeint(idx_t row);
  ValueView read_text(idx_t row);
  ValueView read_json(idx_t row);
  ValueView read_blob(idx_t row);
  ValueView read_date(idx_t row);
  ValueView read_time(idx_t row);
  ValueView read_time_ns(idx_t row);
  ValueView read_uuid(idx_t row);
  ValueView read_interval(idx_t row);
  ValueView read_unsupported(idx_t row);

  const Api* api_;
  idx_t index_;
  std::string name_;
  duckdb_type type_;
  Read read_;
  const void* data_ = nullptr;
  const std::uint64_t* validity_ = nullptr;
  unsigned scale_ = 0;
  std::vector<std::string> dictionary_;  // Of an enum.
  DecimalText digits_{};
  std::string text_;
};

// As the engine's cast to varchar writes it: "1 year 2 months 3 days 04:05:06.789".
void format_interval(const duckdb_interval& interval, std::string& out);

}  // namespace tidelock::sql::duckdb
