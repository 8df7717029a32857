#include "tidelock/sql/backends/duckdb/column_writer.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/duckdb/bind.h"

namespace tidelock::sql::duckdb {
namespace {

// Integers that T counts without gaps.
template <typename T>
constexpr std::int64_t kExactIn = std::int64_t{1} << std::numeric_limits<T>::digits;

}  // namespace

// The overloads write their kind of value, or refuse it.
struct ColumnWriter::Visitor {
  ColumnWriter& column;
  idx_t row;

  duckdb_type id() const { return column.id_; }
  bool is_timestamp() const { return id() == DUCKDB_TYPE_TIMESTAMP || id() == DUCKDB_TYPE_TIMESTAMP_TZ; }

  void operator()(Null) const { column.write_null(row); }

  void operator()(bool value) const {
    if (id() != DUCKDB_TYPE_BOOLEAN) column.refuse(value, "is not of the column's type");
    column.put(row, value);
  }

  void operator()(std::int64_t value) const {
    if (id() == DUCKDB_TYPE_BIGINT) return column.put(row, value);
    if (id() == DUCKDB_TYPE_DOUBLE || id() == DUCKDB_TYPE_FLOAT) {
      const auto exact = id() == DUCKDB_TYPE_DOUBLE ? kExactIn<double> : kExactIn<float>;
      if (value > exact || value < -exact) column.refuse(value, "is not exact in the column's type");
      return (*this)(static_cast<double>(value));
    }
    if (column.store_ == nullptr) column.refuse(value, "is not of the column's type");
    if (id() != DUCKDB_TYPE_DECIMAL) return (column.*column.store_)(row, value);
    const auto unscaled = rescale({value, 0, 19}, column.width_, column.scale_);
    if (!unscaled) column.refuse(value, "does not fit the column");
    (column.*column.store_)(row, *unscaled);
  }

  void operator()(double value) const {
    if (id() == DUCKDB_TYPE_DOUBLE) return column.put(row, value);
    if (id() != DUCKDB_TYPE_FLOAT) column.refuse(value, "is not of the column's type");
    const auto nearest = static_cast<float>(value);
    const bool fits = !std::isfinite(value) || std::isnormal(nearest) || value == double{nearest};
    if (!fits) column.refuse(value, "does not fit the column");
    column.put(row, nearest);
  }

  void operator()(DecimalView value) const {
    const auto number = parse_decimal(value.text);
    if (!number) throw_too_many_digits(value.text, column.what_);
    if (column.store_ == nullptr) column.refuse(value, "is not of the column's type");
    const bool decimal = id() == DUCKDB_TYPE_DECIMAL;
    const auto unscaled = rescale(*number, decimal ? column.width_ : kDecimalWidthMax, decimal ? column.scale_ : 0);
    if (!unscaled) column.refuse(value, "does not fit the column without rounding");
    (column.*column.store_)(row, *unscaled);
  }

  void operator()(std::string_view value) const {
    if (id() != DUCKDB_TYPE_VARCHAR) column.refuse(value, "is not of the column's type");
    check_size(value.size(), column.what_);
    column.put_bytes(row, value.data(), value.size());
  }

  void operator()(JsonView value) const { (*this)(value.text); }

  void operator()(BlobView value) const {
    if (id() != DUCKDB_TYPE_BLOB) column.refuse(value, "is not of the column's type");
    check_size(value.size(), column.what_);
    column.put_bytes(row, reinterpret_cast<const char*>(value.data()), value.size());
  }

  void operator()(Date value) const {
    if (id() != DUCKDB_TYPE_DATE) column.refuse(value, "is not of the column's type");
    if (!is_storable(value)) throw_not_storable(value, column.what_);
    column.put(row, static_cast<std::int32_t>(value.time_since_epoch().count()));
  }

  void operator()(TimeOfDay value) const {
    if (id() != DUCKDB_TYPE_TIME) column.refuse(value, "is not of the column's type");
    column.put(row, std::int64_t{value.since_midnight.count()});
  }

  void operator()(Timestamp value) const {
    if (!is_timestamp()) column.refuse(value, "is not of the column's type");
    if (!is_storable(value)) throw_not_storable(value, column.what_);
    column.put(row, std::int64_t{value.time_since_epoch().count()});
  }

  void operator()(const base::Uuid& value) const {
    if (id() != DUCKDB_TYPE_UUID) column.refuse(value, "is not of the column's type");
    std::uint64_t halves[2] = {};
    for (unsigned i = 0; i < 16; ++i) halves[i / 8] = halves[i / 8] << 8 | value.bytes[i];
    column.put(row, duckdb_hugeint{halves[1], static_cast<std::int64_t>(halves[0] ^ (std::uint64_t{1} << 63))});
  }
};

ColumnWriter::ColumnWriter(const Api& api, TypeHandle type, std::string name)
    : api_(api), type_(std::move(type)), what_("column " + std::move(name)), id_(api.get_type_id(type_.get())) {
  choose();
}

void ColumnWriter::choose() {
  switch (id_) {
    case DUCKDB_TYPE_TINYINT:
      store_ = &ColumnWriter::store_integer<std::int8_t>;
      break;
    case DUCKDB_TYPE_SMALLINT:
      store_ = &ColumnWriter::store_integer<std::int16_t>;
      break;
    case DUCKDB_TYPE_INTEGER:
      store_ = &ColumnWriter::store_integer<std::int32_t>;
      break;
    case DUCKDB_TYPE_BIGINT:
      store_ = &ColumnWriter::store_integer<std::int64_t>;
      break;
    case DUCKDB_TYPE_UTINYINT:
      store_ = &ColumnWriter::store_integer<std::uint8_t>;
      break;
    case DUCKDB_TYPE_USMALLINT:
      store_ = &ColumnWriter::store_integer<std::uint16_t>;
      break;
    case DUCKDB_TYPE_UINTEGER:
      store_ = &ColumnWriter::store_integer<std::uint32_t>;
      break;
    case DUCKDB_TYPE_UBIGINT:
      store_ = &ColumnWriter::store_integer<std::uint64_t>;
      break;
    case DUCKDB_TYPE_HUGEINT:
      store_ = &ColumnWriter::store_decimal<duckdb_hugeint>;
      break;
    case DUCKDB_TYPE_DECIMAL:
      width_ = api_.decimal_width(type_.get());
      scale_ = api_.decimal_scale(type_.get());
      switch (api_.decimal_internal_type(type_.get())) {
        case DUCKDB_TYPE_SMALLINT:
          store_ = &ColumnWriter::store_decimal<std::int16_t>;
          break;
        case DUCKDB_TYPE_INTEGER:
          store_ = &ColumnWriter::store_decimal<std::int32_t>;
          break;
        case DUCKDB_TYPE_BIGINT:
          store_ = &ColumnWriter::store_decimal<std::int64_t>;
          break;
        default:
          store_ = &ColumnWriter::store_decimal<duckdb_hugeint>;
      }
      break;
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
    case DUCKDB_TYPE_UUID:
      break;
    default:
      type_ = TypeHandle(api_, api_.create_logical_type(DUCKDB_TYPE_VARCHAR));
      id_ = DUCKDB_TYPE_VARCHAR;
  }
}

void ColumnWriter::attach(duckdb_vector vector) {
  vector_ = vector;
  data_ = api_.vector_get_data(vector);
  validity_ = nullptr;
}

void ColumnWriter::write(idx_t row, const ValueView& value) {
  if (validity_ != nullptr) validity_[row / 64] |= std::uint64_t{1} << (row % 64);
  std::visit(Visitor{*this, row}, value);
}

void ColumnWriter::write_null(idx_t row) {
  if (validity_ == nullptr) {
    api_.vector_ensure_validity_writable(vector_);
    validity_ = api_.vector_get_validity(vector_);
  }
  validity_[row / 64] &= ~(std::uint64_t{1} << (row % 64));
}

template <typename T>
void ColumnWriter::store_integer(idx_t row, Int128 number) {
  if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
    DecimalText digits;
    refuse(DecimalView{format_decimal(number, 0, digits)}, "does not fit the column");
  }
  put(row, static_cast<T>(number));
}

template <typename T>
void ColumnWriter::store_decimal(idx_t row, Int128 unscaled) {
  if constexpr (std::is_same_v<T, duckdb_hugeint>) {
    put(row, to_hugeint(unscaled));
  } else {
    put(row, static_cast<T>(unscaled));  // rescale() has kept it within the width.
  }
}

void ColumnWriter::put_bytes(idx_t row, const char* data, std::size_t size_bytes) {
  duckdb_string_t text{};
  if (size_bytes > sizeof(text.value.inlined.inlined)) {
    api_.unsafe_vector_assign_string_element_len(vector_, row, data, size_bytes);
    return;
  }
  text.value.inlined.length = static_cast<std::uint32_t>(size_bytes);
  if (size_bytes > 0) std::memcpy(text.value.inlined.inlined, data, size_bytes);
  put(row, text);
}

void ColumnWriter::refuse(const ValueView& value, const char* why) const {
  auto text = to_text(value);
  throw Error(Code::invalid_argument,
              what_ + ": the " + std::string(sql::name(kind(value))) + " " + base::quoted(text, 60) + " " + why);
}

}  // namespace tidelock::sql::duckdb
