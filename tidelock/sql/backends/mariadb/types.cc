#include "tidelock/sql/backends/mariadb/types.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <exception>
#include <limits>

#include "tidelock/base/error.h"

namespace tidelock::sql::mariadb {
namespace {

constexpr unsigned kBinaryCharset = 63;

template <typename T>
T little_endian(const unsigned char* data) {
  T value{};
  std::memcpy(&value, data, sizeof value);
  static_assert(std::endian::native == std::endian::little, "the wire is little-endian");
  return value;
}

std::string_view attribute(const MYSQL_FIELD& field, mariadb_field_attr_t which) {
  MARIADB_CONST_STRING text{};
  if (mariadb_field_attr(&text, &field, which) != 0 || text.str == nullptr) return {};
  return {text.str, text.length};
}

Form form_of(const MYSQL_FIELD& field) {
  switch (field.type) {
    case MYSQL_TYPE_NULL:
      return Form::null;
    case MYSQL_TYPE_TINY:
      return Form::int8;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
      return Form::int16;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
      return Form::int32;
    case MYSQL_TYPE_LONGLONG:
      return Form::int64;
    case MYSQL_TYPE_FLOAT:
      return Form::float32;
    case MYSQL_TYPE_DOUBLE:
      return Form::float64;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
      return Form::decimal;
    case MYSQL_TYPE_BIT:
      return Form::bits;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
      return Form::date;
    case MYSQL_TYPE_TIME:
      return Form::time;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      return Form::timestamp;
    default:
      break;
  }
  if (attribute(field, MARIADB_FIELD_ATTR_FORMAT_NAME) == "json") return Form::json;
  if (attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME) == "uuid") return Form::uuid;
  return field.charsetnr == kBinaryCharset ? Form::blob : Form::text;
}

// A number of 1 to 9 bytes that says how long what follows is.
std::size_t take_length(const unsigned char** row) {
  const unsigned char first = *(*row)++;
  if (first < 251) return first;
  const std::size_t bytes = first == 252 ? 2 : first == 253 ? 3 : 8;
  std::uint64_t length = 0;
  std::memcpy(&length, *row, bytes);
  *row += bytes;
  return length;
}

[[noreturn]] void throw_no_value(const Column& column, std::string_view what) {
  throw Error(Code::unsupported,
              "column " + column.name + " holds " + std::string(what) + ": select cast(… as char) for its text");
}

ValueView integer(const Column& column, std::int64_t value) {
  if (column.is_boolean && (value == 0 || value == 1)) return value == 1;
  return value;
}

ValueView unsigned_integer(const Column& column, std::uint64_t value, ShortText& scratch) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return integer(column, static_cast<std::int64_t>(value));
  }
  scratch = {};
  scratch.push_number(value, 1);
  return DecimalView{scratch.view()};
}

template <typename Signed, typename Unsigned>
ValueView integer_of(const Column& column, const Cell& cell, ShortText& scratch) {
  if (column.is_unsigned) return unsigned_integer(column, little_endian<Unsigned>(cell.data), scratch);
  return integer(column, little_endian<Signed>(cell.data));
}

Date date_of(const Column& column, const Cell& cell) {
  using std::chrono::year, std::chrono::month, std::chrono::day;
  if (cell.size < 4) throw_no_value(column, "the date 0000-00-00, which is none");
  const auto date = year(little_endian<std::uint16_t>(cell.data)) / month(cell.data[2]) / day(cell.data[3]);
  if (!date.ok()) throw_no_value(column, "a date with a zero in it, which is none");
  return date;
}

std::chrono::microseconds clock_time(const unsigned char* data, std::size_t size) {
  using std::chrono::hours, std::chrono::minutes, std::chrono::seconds, std::chrono::microseconds;
  if (size < 3) return {};
  auto time = microseconds(hours(data[0]) + minutes(data[1]) + seconds(data[2]));
  if (size >= 7) time += microseconds(little_endian<std::uint32_t>(data + 3));
  return time;
}

Timestamp timestamp_of(const Column& column, const Cell& cell) {
  return Timestamp(date_of(column, cell)) + clock_time(cell.data + 4, cell.size - 4);
}

TimeOfDay time_of(const Column& column, const Cell& cell) {
  if (cell.size == 0) return {};
  const bool negative = cell.data[0] != 0;
  const auto days = little_endian<std::uint32_t>(cell.data + 1);
  if (negative || days != 0) throw_no_value(column, "a time that is not of one day");
  return TimeOfDay{clock_time(cell.data + 5, cell.size - 5)};
}

std::string_view text_of(const Cell& cell) { return {reinterpret_cast<const char*>(cell.data), cell.size}; }

ValueView bits_of(const Column& column, const Cell& cell, ShortText& scratch) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < cell.size; ++i) value = value << 8 | cell.data[i];
  return unsigned_integer(column, value, scratch);
}

void set_day(MYSQL_TIME& time, Date date) {
  const auto day = civil_day(date);
  time.year = static_cast<unsigned>(day.year);
  time.month = day.month;
  time.day = day.day;
}

void set_time(MYSQL_TIME& time, std::chrono::microseconds since_midnight) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_midnight);
  time.hour = static_cast<unsigned>(seconds.count() / 3600);
  time.minute = static_cast<unsigned>(seconds.count() / 60 % 60);
  time.second = static_cast<unsigned>(seconds.count() % 60);
  time.second_part = static_cast<unsigned long>((since_midnight - seconds).count());
}

void set_bytes(MYSQL_BIND& bind, const void* data, std::size_t size) {
  bind.buffer = data == nullptr ? const_cast<char*>("") : const_cast<void*>(data);  // The library only reads it.
  bind.buffer_length = size;
}

void check_day(Date date, const ValueView& value) {
  const auto year = civil_day(date).year;
  if (year >= 0 && year <= 9999) return;
  throw Error(Code::invalid_argument, to_text(value) + " is outside the years 0 to 9999, which MariaDB can keep");
}

}  // namespace

std::string column_type(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "longblob";
    case Kind::boolean:
      return "tinyint(1)";
    case Kind::int64:
      return "bigint";
    case Kind::real:
      return "double";
    case Kind::decimal:
      return "decimal(65, 30)";
    case Kind::text:
      return "longtext character set utf8mb4 collate utf8mb4_nopad_bin";
    case Kind::blob:
      return "longblob";
    case Kind::date:
      return "date";
    case Kind::time:
      return "time(6)";
    case Kind::timestamp:
      return "datetime(6)";
    case Kind::uuid:
      return "uuid";
    case Kind::json:
      return "json";
  }
  std::terminate();
}

Column Column::of(const MYSQL_FIELD& field) {
  Column column;
  column.name.assign(field.name, field.name_length);
  column.type = field.type;
  column.flags = field.flags;
  column.length = field.length;
  column.charset = field.charsetnr;
  column.form = form_of(field);
  column.is_unsigned = (field.flags & UNSIGNED_FLAG) != 0;
  column.is_boolean =
      field.length == 1 && ((column.form == Form::int8 && !column.is_unsigned) || column.form == Form::bits);
  return column;
}

Cell take(const Column& column, const unsigned char** row) {
  std::size_t size = 0;
  switch (column.form) {
    case Form::null:
      return {};
    case Form::int8:
      size = 1;
      break;
    case Form::int16:
      size = 2;
      break;
    case Form::int32:
    case Form::float32:
      size = 4;
      break;
    case Form::int64:
    case Form::float64:
      size = 8;
      break;
    case Form::date:
    case Form::time:
    case Form::timestamp:
      size = *(*row)++;
      break;
    default:
      size = take_length(row);
      break;
  }
  const Cell cell{*row, size};
  *row += size;
  return cell;
}

ValueView decode(const Column& column, const Cell& cell, ShortText& scratch) {
  if (cell.data == nullptr) return Null{};
  switch (column.form) {
    case Form::null:
      return Null{};
    case Form::int8:
      return integer_of<std::int8_t, std::uint8_t>(column, cell, scratch);
    case Form::int16:
      return integer_of<std::int16_t, std::uint16_t>(column, cell, scratch);
    case Form::int32:
      return integer_of<std::int32_t, std::uint32_t>(column, cell, scratch);
    case Form::int64:
      return integer_of<std::int64_t, std::uint64_t>(column, cell, scratch);
    case Form::float32:
      return static_cast<double>(little_endian<float>(cell.data));
    case Form::float64:
      return little_endian<double>(cell.data);
    case Form::decimal:
      return DecimalView{text_of(cell)};
    case Form::text:
      return text_of(cell);
    case Form::json:
      return JsonView{text_of(cell)};
    case Form::uuid:
      if (const auto uuid = base::Uuid::try_parse(text_of(cell))) return *uuid;
      return text_of(cell);
    case Form::blob:
      return BlobView(reinterpret_cast<const std::byte*>(cell.data), cell.size);
    case Form::bits:
      return bits_of(column, cell, scratch);
    case Form::date:
      return date_of(column, cell);
    case Form::time:
      return time_of(column, cell);
    case Form::timestamp:
      return timestamp_of(column, cell);
  }
  std::terminate();
}

enum_field_types wire_type(Kind kind) {
  switch (kind) {
    case Kind::null:
      return MYSQL_TYPE_NULL;
    case Kind::boolean:
      return MYSQL_TYPE_TINY;
    case Kind::int64:
      return MYSQL_TYPE_LONGLONG;
    case Kind::real:
      return MYSQL_TYPE_DOUBLE;
    case Kind::decimal:
      return MYSQL_TYPE_NEWDECIMAL;
    case Kind::text:
    case Kind::uuid:
    case Kind::json:
      return MYSQL_TYPE_STRING;
    case Kind::blob:
      return MYSQL_TYPE_LONG_BLOB;
    case Kind::date:
      return MYSQL_TYPE_DATE;
    case Kind::time:
      return MYSQL_TYPE_TIME;
    case Kind::timestamp:
      return MYSQL_TYPE_DATETIME;
  }
  std::terminate();
}

void check_value(const ValueView& value, std::size_t number) {
  switch (kind(value)) {
    case Kind::real:
      if (!std::isfinite(std::get<double>(value))) {
        throw Error(Code::invalid_argument, "value " + std::to_string(number) + " is " + to_text(value) +
                                                ", which is no number to MariaDB: only finite ones are");
      }
      break;
    case Kind::date:
      check_day(std::get<Date>(value), value);
      break;
    case Kind::timestamp:
      check_day(std::chrono::floor<std::chrono::days>(std::get<Timestamp>(value)), value);
      break;
    default:
      break;
  }
}

std::size_t wire_bytes(const ValueView& value) noexcept {
  constexpr std::size_t kAround = 3;         // Its type, or whether it is null.
  constexpr std::size_t kLength = 9;         // Of what has one.
  constexpr std::size_t kUuidBytes = 36;     // As text.
  constexpr std::size_t kLongestFixed = 13;  // A time.
  switch (kind(value)) {
    case Kind::text:
      return kAround + kLength + std::get<std::string_view>(value).size();
    case Kind::decimal:
      return kAround + kLength + std::get<DecimalView>(value).text.size();
    case Kind::json:
      return kAround + kLength + std::get<JsonView>(value).text.size();
    case Kind::blob:
      return kAround + kLength + std::get<BlobView>(value).size();
    case Kind::uuid:
      return kAround + kLength + kUuidBytes;
    case Kind::null:
    case Kind::boolean:
    case Kind::int64:
    case Kind::real:
    case Kind::date:
    case Kind::time:
    case Kind::timestamp:
      return kAround + kLongestFixed;
  }
  std::terminate();
}

void set_bind(MYSQL_BIND& bind, const ValueView& value, MYSQL_TIME& time, ShortText& text) noexcept {
  bind.buffer_type = wire_type(kind(value));
  switch (kind(value)) {
    case Kind::null:
      break;
    case Kind::boolean:
      set_bytes(bind, &std::get<bool>(value), sizeof(bool));
      static_assert(sizeof(bool) == 1);
      break;
    case Kind::int64:
      set_bytes(bind, &std::get<std::int64_t>(value), sizeof(std::int64_t));
      break;
    case Kind::real:
      set_bytes(bind, &std::get<double>(value), sizeof(double));
      break;
    case Kind::decimal: {
      const auto decimal = std::get<DecimalView>(value).text;
      set_bytes(bind, decimal.data(), decimal.size());
      break;
    }
    case Kind::text: {
      const auto chars = std::get<std::string_view>(value);
      set_bytes(bind, chars.data(), chars.size());
      break;
    }
    case Kind::json: {
      const auto json = std::get<JsonView>(value).text;
      set_bytes(bind, json.data(), json.size());
      break;
    }
    case Kind::blob: {
      const auto blob = std::get<BlobView>(value);
      set_bytes(bind, blob.data(), blob.size());
      break;
    }
    case Kind::uuid:
      text = format_uuid(std::get<base::Uuid>(value));
      set_bytes(bind, text.view().data(), text.view().size());
      break;
    case Kind::date:
      time = {};
      set_day(time, std::get<Date>(value));
      time.time_type = MYSQL_TIMESTAMP_DATE;
      set_bytes(bind, &time, sizeof time);
      break;
    case Kind::time:
      time = {};
      set_time(time, std::get<TimeOfDay>(value).since_midnight);
      time.time_type = MYSQL_TIMESTAMP_TIME;
      set_bytes(bind, &time, sizeof time);
      break;
    case Kind::timestamp: {
      const auto timestamp = std::get<Timestamp>(value);
      const auto day = std::chrono::floor<std::chrono::days>(timestamp);
      time = {};
      set_day(time, day);
      set_time(time, timestamp - day);
      time.time_type = MYSQL_TIMESTAMP_DATETIME;
      set_bytes(bind, &time, sizeof time);
      break;
    }
  }
}

void Binds::set(std::span<const ValueView> values) {
  binds_.assign(values.size(), MYSQL_BIND{});
  times_.resize(values.size());
  texts_.resize(values.size());
  bytes_ = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    check_value(values[i], i + 1);
    set_bind(binds_[i], values[i], times_[i], texts_[i]);
    bytes_ += wire_bytes(values[i]);
  }
}

}  // namespace tidelock::sql::mariadb
