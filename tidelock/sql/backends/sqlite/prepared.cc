#include "tidelock/sql/backends/sqlite/prepared.h"

#include <cmath>
#include <utility>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/sqlite/errors.h"
#include "tidelock/sql/backends/sqlite/session.h"
#include "tidelock/sql/backends/sqlite/types.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql::sqlite {
namespace {

// A larger buffer is given back after the execution.
constexpr std::size_t kKeptBytesMost = 64 * 1024;

// SQLite's own functions, and its order of text, hold for years of four digits only.
void check_day(Date date, const ValueView& value) {
  const auto year = civil_day(date).year;
  if (year >= 0 && year <= 9999) return;
  throw Error(Code::invalid_argument, to_text(value) + " is outside the years 0 to 9999, which SQLite can order");
}

// Of the copy that bind() makes. Short forms are always copied.
std::size_t kept_bytes(const ValueView& value, bool rows) {
  switch (kind(value)) {
    case Kind::date:
    case Kind::time:
    case Kind::timestamp:
    case Kind::uuid:
      return sizeof(ShortText);
    default:
      break;
  }
  if (!rows) return 0;
  switch (kind(value)) {
    case Kind::text:
      return std::get<std::string_view>(value).size();
    case Kind::decimal:
      return std::get<DecimalView>(value).text.size();
    case Kind::json:
      return std::get<JsonView>(value).text.size();
    case Kind::blob:
      return std::get<BlobView>(value).size();
    default:
      return 0;
  }
}

}  // namespace

SqlitePrepared::SqlitePrepared(SqliteSession& session, std::string_view sql)
    : session_(session), handle_(session.handle()) {
  std::string_view rest;
  statement_ = handle_.prepare(sql, SQLITE_PREPARE_PERSISTENT, &rest);
  if (statement_ == nullptr) throw Error(Code::statement_invalid, "there is no statement in " + base::quoted(sql));
  bool more = false;
  try {
    more = handle_.prepare(rest, 0) != nullptr;
  } catch (const Error&) {  // Even if it is no valid one.
    more = true;
  }
  if (more) {
    throw Error(Code::statement_invalid,
                "several statements where one is wanted (script() runs several): " + base::quoted(sql));
  }
  writes_ = sqlite3_stmt_readonly(statement_.get()) == 0;
  describe();
}

void SqlitePrepared::describe() {
  const int count = sqlite3_column_count(statement_.get());
  kinds_.clear();
  for (int i = 0; i < count; ++i) {
    const char* const type = sqlite3_column_decltype(statement_.get(), i);
    kinds_.push_back(type == nullptr ? Kind::null : declared_kind(type));
  }
}

std::size_t SqlitePrepared::parameter_count() const {
  return static_cast<std::size_t>(sqlite3_bind_parameter_count(statement_.get()));
}

std::string_view SqlitePrepared::column_name(std::size_t column) const {
  const char* const name = sqlite3_column_name(statement_.get(), static_cast<int>(column));
  return name == nullptr ? std::string_view() : std::string_view(name);
}

// A statement with rows goes on reading its values after start(), so they are copied; one without is through by then.
std::string_view SqlitePrepared::keep(std::string_view text) {
  const auto at = kept_.size();
  kept_ += text;
  return std::string_view(kept_).substr(at);
}

void SqlitePrepared::bind_text(int number, std::string_view text) {
  // A null pointer would be a null.
  sqlite3_bind_text64(statement_.get(), number, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

void SqlitePrepared::bind(std::span<const ValueView> values) {
  const bool rows = !kinds_.empty();
  std::size_t bytes = 0;
  for (const auto& value : values) bytes += kept_bytes(value, rows);
  kept_.clear();
  if (bytes > 0) kept_.reserve(bytes);  // So that it does not move below.

  auto* const statement = statement_.get();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int number = static_cast<int>(i) + 1;
    const auto& value = values[i];
    const auto borrowed = [&](std::string_view text) { bind_text(number, rows ? keep(text) : text); };
    switch (kind(value)) {
      case Kind::null:
        sqlite3_bind_null(statement, number);
        break;
      case Kind::boolean:
        sqlite3_bind_int(statement, number, std::get<bool>(value) ? 1 : 0);
        break;
      case Kind::int64:
        sqlite3_bind_int64(statement, number, std::get<std::int64_t>(value));
        break;
      case Kind::real: {
        const double real = std::get<double>(value);
        if (std::isnan(real)) {
          throw Error(Code::invalid_argument,
                      "value " + std::to_string(number) + " is NaN, which SQLite would keep as null");
        }
        sqlite3_bind_double(statement, number, real);
        break;
      }
      case Kind::decimal:
        borrowed(std::get<DecimalView>(value).text);
        break;
      case Kind::text:
        borrowed(std::get<std::string_view>(value));
        break;
      case Kind::json:
        borrowed(std::get<JsonView>(value).text);
        break;
      case Kind::blob: {
        const auto blob = std::get<BlobView>(value);
        if (blob.empty()) {
          sqlite3_bind_zeroblob(statement, number, 0);
        } else {
          const std::string_view chars(reinterpret_cast<const char*>(blob.data()), blob.size());
          sqlite3_bind_blob64(statement, number, rows ? keep(chars).data() : chars.data(), blob.size(), SQLITE_STATIC);
        }
        break;
      }
      case Kind::date:
        check_day(std::get<Date>(value), value);
        bind_text(number, keep(format_date(std::get<Date>(value)).view()));
        break;
      case Kind::time:
        bind_text(number, keep(format_time(std::get<TimeOfDay>(value)).view()));
        break;
      case Kind::timestamp: {
        const auto timestamp = std::get<Timestamp>(value);
        check_day(std::chrono::floor<std::chrono::days>(timestamp), value);
        bind_text(number, keep(format_timestamp(timestamp, ' ').view()));
        break;
      }
      case Kind::uuid:
        bind_text(number, keep(format_uuid(std::get<base::Uuid>(value)).view()));
        break;
    }
  }
}

void SqlitePrepared::start(std::span<const ValueView> values, base::Deadline deadline) {
  if (writes_) {
    session_.check_may_write(sqlite3_sql(statement_.get()));
    total_before_ = sqlite3_total_changes64(handle_.get());
    autocommitted_ = !session_.begun();
  }
  changes_ = 0;
  stepped_ = false;
  handle_.start(deadline);
  bind(values);
  if (kinds_.empty()) {
    while (step()) {
    }
  }
}

bool SqlitePrepared::step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) [[likely]] {
    if (!std::exchange(stepped_, true)) {
      const int anew = sqlite3_stmt_status(statement_.get(), SQLITE_STMTSTATUS_REPREPARE, 0);
      if (std::exchange(prepared_anew_, anew) != anew) [[unlikely]]
        describe();
    }
    return true;
  }
  if (result == SQLITE_DONE) {
    if (writes_ && sqlite3_total_changes64(handle_.get()) != total_before_) changes_ = sqlite3_changes64(handle_.get());
    return false;
  }
  handle_.check_pending();
  const char* const sql = sqlite3_sql(statement_.get());
  throw writes_ && autocommitted_ ? handle_.error_of_commit(result, sql) : handle_.error(result, sql);
}

// A statement without rows has run when it was started: another step would run it again.
bool SqlitePrepared::next() { return !kinds_.empty() && step(); }

// By sqlite3_value_*, which is quicker than sqlite3_column_* and safe here, where one task uses the connection.
ValueView SqlitePrepared::value(std::size_t column) {
  sqlite3_value* const value = sqlite3_column_value(statement_.get(), static_cast<int>(column));
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER: {
      const std::int64_t integer = sqlite3_value_int64(value);
      if (kinds_[column] == Kind::boolean && (integer == 0 || integer == 1)) return integer == 1;
      return integer;
    }
    case SQLITE_FLOAT:
      return sqlite3_value_double(value);
    case SQLITE_TEXT: {
      const auto* const text = reinterpret_cast<const char*>(sqlite3_value_text(value));
      if (text == nullptr) handle_.fail(SQLITE_NOMEM, {});
      return text_value({text, static_cast<std::size_t>(sqlite3_value_bytes(value))}, kinds_[column]);
    }
    case SQLITE_BLOB: {
      const auto* const bytes = static_cast<const std::byte*>(sqlite3_value_blob(value));
      return BlobView(bytes, static_cast<std::size_t>(sqlite3_value_bytes(value)));
    }
    default:
      return Null{};
  }
}

// As its column's type says, where it is of that form.
ValueView SqlitePrepared::text_value(std::string_view text, Kind kind) const {
  if (kind == Kind::null) [[likely]]
    return text;
  switch (kind) {
    case Kind::decimal:
      if (is_plain_decimal(text)) return DecimalView{text};
      break;
    case Kind::date:
      if (const auto date = parse_date(text)) return *date;
      break;
    case Kind::time:
      if (const auto time = parse_time(text)) return *time;
      break;
    case Kind::timestamp:
      if (const auto timestamp = parse_timestamp(text)) return *timestamp;
      break;
    case Kind::uuid:
      if (const auto uuid = base::Uuid::try_parse(text)) return *uuid;
      break;
    case Kind::json:
      return JsonView{text};
    default:
      break;
  }
  return text;
}

void SqlitePrepared::finish() noexcept {
  sqlite3_reset(statement_.get());
  if (kept_.capacity() > kKeptBytesMost) kept_ = {};
  if (writes_ && !session_.begun()) session_.checkpoint();
}

}  // namespace tidelock::sql::sqlite
