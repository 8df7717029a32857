#include "tidelock/sql/backends/duckdb/column_reader.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "tidelock/base/text.h"

namespace tidelock::sql::duckdb {
namespace {

constexpr std::int64_t kMicrosPerDay = 86'400'000'000;
constexpr std::int64_t kMicrosPerSecond = 1'000'000;

template <typename T>
bool is_infinite(T value) {
  return value == std::numeric_limits<T>::max() || value == -std::numeric_limits<T>::max();
}

std::string name_or_null(const char* name) { return name != nullptr ? name : ""; }

}  // namespace

ColumnReader::ColumnReader(const Api& api, duckdb_result& result, idx_t index)
    : api_(&api),
      index_(index),
      name_(name_or_null(api.column_name(&result, index))),
      type_(api.column_type(&result, index)) {
  const TypeHandle type(api, api.column_logical_type(&result, index));
  switch (type_) {
    case DUCKDB_TYPE_DECIMAL:
      read_ = choose_decimal(type);
      break;
    case DUCKDB_TYPE_ENUM:
      read_ = choose_enum(type);
      break;
    case DUCKDB_TYPE_VARCHAR: {
      char* alias = api.logical_type_get_alias(type.get());
      read_ =
          alias != nullptr && std::string_view(alias) == "JSON" ? &ColumnReader::read_json : &ColumnReader::read_text;
      api.free(alias);
      break;
    }
    default:
      read_ = choose(type_);
  }
}

bool ColumnReader::has_kind(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_SQLNULL:
    case DUCKDB_TYPE_ANY:
    case DUCKDB_TYPE_INVALID:
      return true;
    default:
      return choose(type) != &ColumnReader::read_unsupported;
  }
}

void ColumnReader::attach(duckdb_vector vector) {
  data_ = api_->vector_get_data(vector);
  validity_ = api_->vector_get_validity(vector);
}

ColumnReader::Read ColumnReader::choose(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
      return &ColumnReader::read_same<bool>;
    case DUCKDB_TYPE_TINYINT:
      return &ColumnReader::read_integer<std::int8_t>;
    case DUCKDB_TYPE_SMALLINT:
      return &ColumnReader::read_integer<std::int16_t>;
    case DUCKDB_TYPE_INTEGER:
      return &ColumnReader::read_integer<std::int32_t>;
    case DUCKDB_TYPE_BIGINT:
      return &ColumnReader::read_same<std::int64_t>;
    case DUCKDB_TYPE_UTINYINT:
      return &ColumnReader::read_integer<std::uint8_t>;
    case DUCKDB_TYPE_USMALLINT:
      return &ColumnReader::read_integer<std::uint16_t>;
    case DUCKDB_TYPE_UINTEGER:
      return &ColumnReader::read_integer<std::uint32_t>;
    case DUCKDB_TYPE_UBIGINT:
      return &ColumnReader::read_ubigint;
    case DUCKDB_TYPE_HUGEINT:
      return &ColumnReader::read_hugeint;
    case DUCKDB_TYPE_UHUGEINT:
      return &ColumnReader::read_uhugeint;
    case DUCKDB_TYPE_FLOAT:
      return &ColumnReader::read_same<float>;
    case DUCKDB_TYPE_DOUBLE:
      return &ColumnReader::read_same<double>;
    case DUCKDB_TYPE_BLOB:
      return &ColumnReader::read_blob;
    case DUCKDB_TYPE_DATE:
      return &ColumnReader::read_date;
    case DUCKDB_TYPE_TIME:
      return &ColumnReader::read_time;
    case DUCKDB_TYPE_TIME_NS:
      return &ColumnReader::read_time_ns;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return &ColumnReader::read_timestamp<1'000'000>;
    case DUCKDB_TYPE_TIMESTAMP_S:
      return &ColumnReader::read_timestamp<1>;
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return &ColumnReader::read_timestamp<1'000>;
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return &ColumnReader::read_timestamp<1'000'000'000>;
    case DUCKDB_TYPE_UUID:
      return &ColumnReader::read_uuid;
    case DUCKDB_TYPE_INTERVAL:
      return &ColumnReader::read_interval;
    default:
      return &ColumnReader::read_unsupported;  // Also types that the engine has from a later version on.
  }
}

ColumnReader::Read ColumnReader::choose_decimal(const TypeHandle& type) {
  scale_ = api_->decimal_scale(type.get());
  switch (api_->decimal_internal_type(type.get())) {
    case DUCKDB_TYPE_SMALLINT:
      return &ColumnReader::read_decimal<std::int16_t>;
    case DUCKDB_TYPE_INTEGER:
      return &ColumnReader::read_decimal<std::int32_t>;
    case DUCKDB_TYPE_BIGINT:
      return &ColumnReader::read_decimal<std::int64_t>;
    default:
      return &ColumnReader::read_decimal<duckdb_hugeint>;
  }
}

ColumnReader::Read ColumnReader::choose_enum(const TypeHandle& type) {
  const auto size = api_->enum_dictionary_size(type.get());
  for (idx_t i = 0; i < size; ++i) {
    char* value = api_->enum_dictionary_value(type.get(), i);
    dictionary_.push_back(name_or_null(value));
    api_->free(value);
  }
  switch (api_->enum_internal_type(type.get())) {
    case DUCKDB_TYPE_UTINYINT:
      return &ColumnReader::read_enum<std::uint8_t>;
    case DUCKDB_TYPE_USMALLINT:
      return &ColumnReader::read_enum<std::uint16_t>;
    default:
      return &ColumnReader::read_enum<std::uint32_t>;
  }
}

std::string_view ColumnReader::bytes_at(idx_t row) const {
  const auto& text = at<duckdb_string_t>(row).value;
  const auto length = text.inlined.length;
  return {length <= sizeof(text.inlined.inlined) ? text.inlined.inlined : text.pointer.ptr, length};
}

void ColumnReader::refuse(Code code, const std::string& what) const {
  throw Error(code, "column " + std::to_string(index_) + " (" + base::quoted(name_) + ") " + what);
}

template <typename T>
ValueView ColumnReader::read_same(idx_t row) {
  if constexpr (std::is_same_v<T, float>) return static_cast<double>(at<float>(row));
  return ValueView(at<T>(row));
}

template <typename T>
ValueView ColumnReader::read_integer(idx_t row) {
  return static_cast<std::int64_t>(at<T>(row));
}

template <typename T>
ValueView ColumnReader::read_decimal(idx_t row) {
  if constexpr (std::is_same_v<T, duckdb_hugeint>) {
    return DecimalView{format_decimal(to_int128(at<T>(row)), scale_, digits_)};
  } else {
    return DecimalView{format_decimal(at<T>(row), scale_, digits_)};
  }
}

template <typename T>
ValueView ColumnReader::read_enum(idx_t row) {
  return std::string_view(dictionary_.at(at<T>(row)));
}

ValueView ColumnReader::read_ubigint(idx_t row) {
  return DecimalView{format_unsigned(at<std::uint64_t>(row), digits_)};
}

ValueView ColumnReader::read_hugeint(idx_t row) {
  return DecimalView{format_decimal(to_int128(at<duckdb_hugeint>(row)), 0, digits_)};
}

ValueView ColumnReader::read_uhugeint(idx_t row) {
  const auto& value = at<duckdb_uhugeint>(row);
  return DecimalView{format_unsigned(static_cast<Uint128>(value.upper) << 64 | value.lower, digits_)};
}

ValueView ColumnReader::read_text(idx_t row) {
  const auto text = bytes_at(row);
  if (!text.empty() && std::memchr(text.data(), 0, text.size()) != nullptr) {
    refuse(Code::invalid_argument, "holds text with a NUL byte: select encode(…), which is a blob");
  }
  return text;
}

ValueView ColumnReader::read_json(idx_t row) { return JsonView{bytes_at(row)}; }

ValueView ColumnReader::read_blob(idx_t row) { return std::as_bytes(std::span(bytes_at(row))); }

ValueView ColumnReader::read_date(idx_t row) {
  const auto days = at<std::int32_t>(row);
  if (is_infinite(days)) refuse(Code::invalid_argument, "holds an infinite date: select cast(… as varchar)");
  return Date(std::chrono::days(days));
}

ValueView ColumnReader::read_time(idx_t row) {
  const auto micros = at<std::int64_t>(row);
  if (micros >= kMicrosPerDay) refuse(Code::invalid_argument, "holds the time 24:00: select cast(… as varchar)");
  return TimeOfDay{std::chrono::microseconds(micros)};
}

ValueView ColumnReader::read_time_ns(idx_t row) {
  const auto nanos = at<std::int64_t>(row);
  if (nanos % 1000 != 0) refuse(Code::invalid_argument, "holds nanoseconds: select cast(… as time), which drops them");
  if (nanos / 1000 >= kMicrosPerDay) refuse(Code::invalid_argument, "holds the time 24:00: select cast(… as varchar)");
  return TimeOfDay{std::chrono::microseconds(nanos / 1000)};
}

template <std::int64_t kPerSecond>
ValueView ColumnReader::read_timestamp(idx_t row) {
  auto value = at<std::int64_t>(row);
  if (is_infinite(value)) refuse(Code::invalid_argument, "holds an infinite timestamp: select cast(… as varchar)");
  if constexpr (kPerSecond > kMicrosPerSecond) {
    constexpr auto kPerMicro = kPerSecond / kMicrosPerSecond;
    if (value % kPerMicro != 0) {
      refuse(Code::invalid_argument, "holds nanoseconds: select cast(… as timestamp), which drops them");
    }
    value /= kPerMicro;
  } else if (__builtin_mul_overflow(value, kMicrosPerSecond / kPerSecond, &value)) {
    refuse(Code::invalid_argument,
           "holds a timestamp outside the years that have microseconds: select cast(… as varchar)");
  }
  return Timestamp(std::chrono::microseconds(value));
}

// A 128-bit number whose highest bit is flipped, so that it sorts as a signed one.
ValueView ColumnReader::read_uuid(idx_t row) {
  const auto& value = at<duckdb_hugeint>(row);
  const std::uint64_t halves[] = {static_cast<std::uint64_t>(value.upper) ^ (std::uint64_t{1} << 63), value.lower};
  base::Uuid uuid;
  for (unsigned i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<std::uint8_t>(halves[i / 8] >> (56 - 8 * (i % 8)));
  return uuid;
}

ValueView ColumnReader::read_interval(idx_t row) {
  format_interval(at<duckdb_interval>(row), text_);
  return std::string_view(text_);
}

ValueView ColumnReader::read_unsupported(idx_t) {
  refuse(Code::unsupported, "is of a type without a kind of value here (DuckDB's type number " +
                                std::to_string(static_cast<int>(type_)) + "): select cast(" + name_ + " as varchar)");
}

void format_interval(const duckdb_interval& interval, std::string& out) {
  out.clear();
  const auto push = [&](std::int64_t count, std::string_view unit) {
    if (count == 0) return;
    fmt::format_to(std::back_inserter(out), "{}{} {}{}", out.empty() ? "" : " ", count, unit,
                   count == 1 || count == -1 ? "" : "s");
  };
  push(interval.months / 12, "year");
  push(interval.months % 12, "month");
  push(interval.days, "day");
  if (interval.micros == 0 && !out.empty()) return;
  const auto micros = interval.micros < 0 ? 0 - static_cast<std::uint64_t>(interval.micros)
                                          : static_cast<std::uint64_t>(interval.micros);
  const auto seconds = micros / kMicrosPerSecond;
  fmt::format_to(std::back_inserter(out), "{}{}{:02}:{:02}:{:02}", out.empty() ? "" : " ",
                 interval.micros < 0 ? "-" : "", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (micros % kMicrosPerSecond == 0) return;
  fmt::format_to(std::back_inserter(out), ".{:06}", micros % kMicrosPerSecond);
  while (out.ends_with('0')) out.pop_back();
}

}  // namespace tidelock::sql::duckdb
