#include "tidelock/sql/backends/mariadb/bulk.h"

#include <algorithm>
#include <cstring>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/mariadb/words.h"

namespace tidelock::sql::mariadb {
namespace {

// Of one batch: more gain nothing (docs/decisions/mariadb-bulk.md).
constexpr std::size_t kRowsMost = 4000;
constexpr std::size_t kBytesMost = 1024 * 1024;
constexpr std::size_t kBlockBytes = 256 * 1024;

}  // namespace

MariadbBulk::MariadbBulk(MariadbSession& session, std::string_view table, std::span<const std::string> columns)
    : session_(session),
      bytes_most_(std::min(kBytesMost, session.value_bytes_most())),
      columns_(columns.size()),
      kinds_(columns.size(), Kind::null) {
  sql_ = "insert into " + std::string(table) + " (";
  std::string values;
  for (const auto& column : columns) {
    if (!values.empty()) sql_ += ", ";
    sql_ += quoted_identifier(column);
    values += values.empty() ? "?" : ", ?";
  }
  sql_ += ") values (" + values + ")";
  times_.resize(columns_);
  texts_.resize(columns_);

  auto& wire = session_.wire();
  session_.check_reading(sql_);
  session_.begin_statement(kind_, sql_, session_.planning_deadline());
  statement_ = mysql_stmt_init(wire.get());
  const int failed = statement_ == nullptr ? 1 : wire.prepare(statement_, sql_);
  if (failed != 0) {
    auto error = statement_ == nullptr ? Error(Code::io_error, "there is no memory left for a statement")
                                       : session_.failure({.empty = false, .reads = true}, mysql_stmt_errno(statement_),
                                                          mysql_stmt_error(statement_), base::quoted(sql_));
    if (statement_ != nullptr) wire.close(statement_);
    session_.end_statement();
    throw error;
  }
  session_.end_statement();
  mysql_stmt_attr_set(statement_, STMT_ATTR_CB_USER_DATA, this);
  mysql_stmt_attr_set(statement_, STMT_ATTR_CB_PARAM, reinterpret_cast<const void*>(&on_row));
}

MariadbBulk::~MariadbBulk() { session_.wire().close(statement_); }

void MariadbBulk::append(std::span<const ValueView> row) {
  std::size_t bytes = 0;
  bool other_kinds = false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    check_value(row[i], i + 1);
    const auto kind = sql::kind(row[i]);
    other_kinds = other_kinds || (kind != Kind::null && kinds_[i] != Kind::null && kind != kinds_[i]);
    bytes += wire_bytes(row[i]);
  }
  session_.check_size(bytes);
  // A batch has one type a column.
  if (rows_ == kRowsMost || other_kinds || (rows_ != 0 && bytes_ + bytes > bytes_most_)) flush();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (const auto kind = sql::kind(row[i]); kind != Kind::null) kinds_[i] = kind;
    values_.push_back(keep(row[i]));
  }
  ++rows_;
  bytes_ += bytes;
}

const char* MariadbBulk::keep(const char* data, std::size_t size) {
  if (size == 0) return "";
  if (blocks_.empty() || used_ + size > blocks_.back().size) {
    const auto room = std::max(size, kBlockBytes);
    blocks_.push_back({std::make_unique_for_overwrite<char[]>(room), room});
    used_ = 0;
  }
  char* const at = blocks_.back().bytes.get() + used_;
  std::memcpy(at, data, size);
  used_ += size;
  return at;
}

// What is borrowed must outlive its row.
ValueView MariadbBulk::keep(const ValueView& value) {
  const auto kept = [&](std::string_view text) {
    return std::string_view(keep(text.data(), text.size()), text.size());
  };
  switch (kind(value)) {
    case Kind::text:
      return kept(std::get<std::string_view>(value));
    case Kind::decimal:
      return DecimalView{kept(std::get<DecimalView>(value).text)};
    case Kind::json:
      return JsonView{kept(std::get<JsonView>(value).text)};
    case Kind::blob: {
      const auto blob = std::get<BlobView>(value);
      const auto* const at = keep(reinterpret_cast<const char*>(blob.data()), blob.size());
      return BlobView(reinterpret_cast<const std::byte*>(at), blob.size());
    }
    default:
      return value;
  }
}

// Called for each row while the batch is put together. Nothing may be thrown through the client library.
my_bool MariadbBulk::on_row(void* self, MYSQL_BIND* binds, unsigned row) {
  static char null_mark = STMT_INDICATOR_NULL;
  static char value_mark = STMT_INDICATOR_NONE;
  auto& bulk = *static_cast<MariadbBulk*>(self);
  for (std::size_t i = 0; i < bulk.columns_; ++i) {
    const auto& value = bulk.values_[row * bulk.columns_ + i];
    const bool null = std::holds_alternative<Null>(value);
    binds[i].u.indicator = null ? &null_mark : &value_mark;
    if (!null) set_bind(binds[i], value, bulk.times_[i], bulk.texts_[i]);
  }
  return 0;
}

void MariadbBulk::flush() {
  if (rows_ == 0) return;
  auto& wire = session_.wire();
  session_.begin_statement(kind_, sql_, session_.transaction_deadline());
  std::vector<MYSQL_BIND> types(columns_);
  for (std::size_t i = 0; i < columns_; ++i) {
    types[i].buffer_type = kinds_[i] == Kind::null ? MYSQL_TYPE_STRING : wire_type(kinds_[i]);
  }
  const auto count = static_cast<unsigned>(rows_);
  mysql_stmt_attr_set(statement_, STMT_ATTR_ARRAY_SIZE, &count);
  const bool ok = mysql_stmt_bind_param(statement_, types.data()) == 0 && wire.execute(statement_) == 0;
  auto error =
      ok ? std::optional<Error>()
         : session_.failure(kind_, mysql_stmt_errno(statement_), mysql_stmt_error(statement_), base::quoted(sql_));
  if (ok && mysql_stmt_field_count(statement_) != 0) wire.free_result(statement_);
  session_.end_statement();
  if (error) throw *error;
  values_.clear();
  kinds_.assign(columns_, Kind::null);
  rows_ = bytes_ = used_ = 0;
  if (blocks_.size() > 1) blocks_.resize(1);
}

}  // namespace tidelock::sql::mariadb
