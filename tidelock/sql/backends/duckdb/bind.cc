#include "tidelock/sql/backends/duckdb/bind.h"

#include <limits>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/duckdb/decimal.h"

namespace tidelock::sql::duckdb {
namespace {

// One parameter on its way; the overloads bind their kind of value.
struct Binder {
  const Api& api;
  duckdb_prepared_statement statement;
  idx_t index;
  const Parameter& parameter;

  std::string what() const { return "parameter " + std::to_string(index); }

  duckdb_state operator()(Null) const { return api.bind_null(statement, index); }
  duckdb_state operator()(bool value) const { return api.bind_boolean(statement, index, value); }
  duckdb_state operator()(std::int64_t value) const;
  duckdb_state operator()(double value) const { return api.bind_double(statement, index, value); }
  duckdb_state operator()(DecimalView value) const;
  duckdb_state operator()(std::string_view value) const;
  duckdb_state operator()(BlobView value) const;
  duckdb_state operator()(Date value) const;
  duckdb_state operator()(TimeOfDay value) const {
    return api.bind_time(statement, index, {value.since_midnight.count()});
  }
  duckdb_state operator()(Timestamp value) const;
  duckdb_state operator()(const base::Uuid& value) const;
  duckdb_state operator()(JsonView value) const { return (*this)(value.text); }

  template <typename T, typename Bind>
  duckdb_state as(Bind bind, std::int64_t value) const {
    return std::in_range<T>(value) ? bind(statement, index, static_cast<T>(value))
                                   : api.bind_int64(statement, index, value);
  }
};

duckdb_state Binder::operator()(std::int64_t value) const {
  switch (parameter.type) {
    case DUCKDB_TYPE_TINYINT:
      return as<std::int8_t>(api.bind_int8, value);
    case DUCKDB_TYPE_SMALLINT:
      return as<std::int16_t>(api.bind_int16, value);
    case DUCKDB_TYPE_INTEGER:
      return as<std::int32_t>(api.bind_int32, value);
    case DUCKDB_TYPE_UTINYINT:
      return as<std::uint8_t>(api.bind_uint8, value);
    case DUCKDB_TYPE_USMALLINT:
      return as<std::uint16_t>(api.bind_uint16, value);
    case DUCKDB_TYPE_UINTEGER:
      return as<std::uint32_t>(api.bind_uint32, value);
    case DUCKDB_TYPE_UBIGINT:
      return as<std::uint64_t>(api.bind_uint64, value);
    case DUCKDB_TYPE_HUGEINT:
      return api.bind_hugeint(statement, index, to_hugeint(value));
    default:
      return api.bind_int64(statement, index, value);
  }
}

duckdb_state Binder::operator()(DecimalView value) const {
  const auto number = parse_decimal(value.text);
  if (!number) throw_too_many_digits(value.text, what());
  duckdb_decimal decimal{static_cast<std::uint8_t>(number->width), static_cast<std::uint8_t>(number->scale),
                         to_hugeint(number->unscaled)};
  if (parameter.type == DUCKDB_TYPE_DECIMAL) {
    if (const auto same = rescale(*number, parameter.width, parameter.scale)) {
      decimal = {static_cast<std::uint8_t>(parameter.width), static_cast<std::uint8_t>(parameter.scale),
                 to_hugeint(*same)};
    }
  }
  return api.bind_decimal(statement, index, decimal);
}

duckdb_state Binder::operator()(std::string_view value) const {
  check_size(value.size(), what());
  return api.bind_varchar_length(statement, index, value.data() != nullptr ? value.data() : "", value.size());
}

duckdb_state Binder::operator()(BlobView value) const {
  check_size(value.size(), what());
  return api.bind_blob(statement, index, value.data() != nullptr ? static_cast<const void*>(value.data()) : "",
                       value.size());
}

duckdb_state Binder::operator()(Date value) const {
  if (!is_storable(value)) throw_not_storable(value, what());
  return api.bind_date(statement, index, {static_cast<std::int32_t>(value.time_since_epoch().count())});
}

duckdb_state Binder::operator()(Timestamp value) const {
  if (!is_storable(value)) throw_not_storable(value, what());
  const duckdb_timestamp timestamp{value.time_since_epoch().count()};
  return parameter.type == DUCKDB_TYPE_TIMESTAMP_TZ ? api.bind_timestamp_tz(statement, index, timestamp)
                                                    : api.bind_timestamp(statement, index, timestamp);
}

duckdb_state Binder::operator()(const base::Uuid& value) const {
  duckdb_uhugeint bits{0, 0};
  for (unsigned i = 0; i < 8; ++i) bits.upper = bits.upper << 8 | value.bytes[i];
  for (unsigned i = 8; i < 16; ++i) bits.lower = bits.lower << 8 | value.bytes[i];
  const ValueHandle uuid(api, api.create_uuid(bits));
  return api.bind_value(statement, index, uuid.get());
}

}  // namespace

std::vector<Parameter> parameters_of(const Api& api, duckdb_prepared_statement statement) {
  std::vector<Parameter> parameters(api.nparams(statement));
  for (idx_t i = 0; i < parameters.size(); ++i) {
    auto& parameter = parameters[i];
    parameter.type = api.param_type(statement, i + 1);
    if (parameter.type != DUCKDB_TYPE_DECIMAL) continue;
    const TypeHandle type(api, api.param_logical_type(statement, i + 1));
    parameter.width = api.decimal_width(type.get());
    parameter.scale = api.decimal_scale(type.get());
  }
  return parameters;
}

void bind_value(const Api& api, duckdb_prepared_statement statement, idx_t index, const Parameter& parameter,
                const ValueView& value) {
  if (std::visit(Binder{api, statement, index, parameter}, value) == DuckDBSuccess) return;
  throw Error(Code::invalid_argument, "parameter " + std::to_string(index) + ": DuckDB does not take the value");
}

void check_size(std::size_t size_bytes, const std::string& what) {
  if (size_bytes <= std::numeric_limits<std::uint32_t>::max()) return;
  throw Error(Code::too_large, what + " has " + std::to_string(size_bytes) + " bytes; DuckDB holds less than 4 GiB");
}

void throw_too_many_digits(std::string_view text, const std::string& what) {
  throw Error(Code::too_large, what + ": " + base::quoted(text) + " has more digits than the 38 of DuckDB's decimals");
}

void throw_not_storable(const ValueView& value, const std::string& what) {
  throw Error(Code::invalid_argument,
              what + ": " + to_text(value) + " is beyond what DuckDB stores, or what it takes for infinity");
}

bool is_storable(Date date) {
  constexpr std::int64_t kInfinity = std::numeric_limits<std::int32_t>::max();
  const std::int64_t days = date.time_since_epoch().count();
  return days < kInfinity && days > -kInfinity;
}

bool is_storable(Timestamp timestamp) {
  constexpr auto kInfinity = std::numeric_limits<std::int64_t>::max();
  const auto micros = timestamp.time_since_epoch().count();
  return micros < kInfinity && micros > -kInfinity;
}

}  // namespace tidelock::sql::duckdb
