// How values cross MariaDB's binary protocol, and what its columns are here.
// https://mariadb.com/kb/en/resultset-row/#binary-resultset-row
#pragma once

#include <mysql.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/text_form.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql::mariadb {

std::string column_type(Kind kind);

// How a column's values come.
enum class Form : std::uint8_t {
  null,
  int8,
  int16,
  int32,
  int64,
  float32,
  float64,
  decimal,
  text,
  json,
  uuid,
  blob,
  bits,
  date,
  time,
  timestamp,
};

struct Column {
  std::string name;
  Form form = Form::null;
  bool is_unsigned = false;
  bool is_boolean = false;  // tinyint(1) and bit(1): 0 and 1 are false and true.

  // As the server described it.
  enum_field_types type = MYSQL_TYPE_NULL;
  unsigned flags = 0;
  unsigned long length = 0;
  unsigned charset = 0;

  static Column of(const MYSQL_FIELD& field);
  bool is_of(const MYSQL_FIELD& field) const {
    return type == field.type && flags == field.flags && length == field.length && charset == field.charsetnr;
  }
};

// One value of the current row, where the client library keeps it.
struct Cell {
  const unsigned char* data = nullptr;  // Null: it is null.
  std::size_t size = 0;
};

// Takes the value that begins at *row, and moves *row behind it.
Cell take(const Column& column, const unsigned char** row);

// `scratch` holds what has no room in the row. Error: unsupported for what no value here can be: a zero date, a time of
// more than a day.
ValueView decode(const Column& column, const Cell& cell, ShortText& scratch);

// Values as parameters. They are borrowed: bind, execute, and only then let them go.
class Binds {
 public:
  // Errors: of check_value().
  void set(std::span<const ValueView> values);
  MYSQL_BIND* get() { return binds_.data(); }
  std::size_t bytes() const { return bytes_; }  // That are sent, at most.

 private:
  std::vector<MYSQL_BIND> binds_;
  std::vector<MYSQL_TIME> times_;
  std::vector<ShortText> texts_;
  std::size_t bytes_ = 0;
};

// Error: invalid_argument for what MariaDB cannot keep: NaN, infinities, years beyond 0 to 9999.
void check_value(const ValueView& value, std::size_t number);
// How many bytes it is sent as, at most, with its type and what says how long it is.
std::size_t wire_bytes(const ValueView& value) noexcept;
// Fills one bind; `time` and `text` are what it may point to. For Binds and bulk.
void set_bind(MYSQL_BIND& bind, const ValueView& value, MYSQL_TIME& time, ShortText& text) noexcept;
// The type that a value of this kind is sent as.
enum_field_types wire_type(Kind kind);

}  // namespace tidelock::sql::mariadb
