#include "tidelock/sql/statement.h"

#include <string>
#include <vector>

#include "tidelock/base/text.h"
#include "tidelock/sql/link.h"
#include "tidelock/sql/pool.h"

namespace tidelock::sql {

std::string_view Row::column_name(std::size_t column) const {
  if (cursor_->execution != execution_ || column >= cursor_->columns) throw_no_such_column(column);
  return cursor_->prepared->column_name(column);
}

std::size_t Row::column_number(std::string_view name) const {
  if (cursor_->execution != execution_) throw_no_such_column(0);
  for (std::size_t i = 0; i < cursor_->columns; ++i) {
    if (cursor_->prepared->column_name(i) == name) return i;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < cursor_->columns; ++i) names.emplace_back(cursor_->prepared->column_name(i));
  throw Error(Code::invalid_argument, "no column " + base::quoted(name) + "; there are " + base::listed(names));
}

void Row::throw_no_such_column(std::size_t column) const {
  if (cursor_->execution != execution_) {
    throw Error(Code::misuse, "a row was used after the end of its query: copy what is needed longer");
  }
  if (cursor_->columns == 0) throw Error(Code::misuse, "there is no row yet: call next() first");
  throw Error(Code::invalid_argument, "no column " + std::to_string(column) + ": the row has " +
                                          std::to_string(cursor_->columns) + ", counted from 0");
}

void Row::throw_mismatch(const ValueView& value, std::string_view wanted, std::size_t column) const {
  convert::throw_mismatch(value, wanted, column, cursor_->prepared->column_name(column));
}

bool Rows::next() {
  check();
  Link* const link = std::exchange(link_, nullptr);  // Over, unless there is a row.
  if (!link->next()) return false;
  link_ = link;
  return true;
}

std::size_t Rows::column_count() const {
  check();
  return cursor_->prepared->column_count();
}

std::string_view Rows::column_name(std::size_t column) const {
  if (column >= column_count()) {
    throw Error(Code::invalid_argument, "no column " + std::to_string(column) + ": the query has " +
                                            std::to_string(column_count()) + ", counted from 0");
  }
  return cursor_->prepared->column_name(column);
}

std::int64_t Rows::changes() const {
  check();
  return cursor_->prepared->changes();
}

void Rows::end(Link& link) noexcept { link.finish(execution_); }
void Rows::throw_over() const { throw Error(Code::misuse, "rows were used after the end of their query"); }

std::int64_t Statement::execute_values(const Values& values) { return link_->execute(scope_, *statement_, values); }
Rows Statement::query_values(const Values& values) { return link_->query(scope_, *statement_, values); }
std::size_t Statement::parameter_count() const { return statement_->parameters; }

void Canceller::cancel() const noexcept { pool_->cancel(*link_, lease_); }

}  // namespace tidelock::sql
