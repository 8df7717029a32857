#include "tidelock/sql/executor.h"

#include "tidelock/base/text.h"
#include "tidelock/sql/link.h"
#include "tidelock/sql/pool.h"

namespace tidelock::sql {

Link& Executor::link() const {
  if (link_ == nullptr) throw Error(Code::misuse, "a connection or transaction was used after it was moved away");
  return *link_;
}

std::int64_t Executor::execute_values(std::string_view sql, const Values& values) {
  auto& on = link();
  return on.execute(scope_, *on.prepare(scope_, sql, true), values);
}

Rows Executor::query_values(std::string_view sql, const Values& values) {
  auto& on = link();
  return on.query(scope_, *on.prepare(scope_, sql, true), values);
}

Statement Executor::prepare(std::string_view sql) {
  auto& on = link();
  return Statement(on, scope_, on.prepare(scope_, sql, false));
}

void Executor::script(std::string_view sql) { link().script(scope_, sql); }

BulkWriter Executor::bulk(std::string_view table, std::vector<std::string> columns) {
  return link().bulk(scope_, table, columns);
}

void Executor::pass_over() noexcept {
  if (link_ != nullptr) link_->pass_over();
}

const Dialect& Executor::dialect() const { return link().pool().dialect(); }
base::Runtime& Executor::runtime() const { return link().pool().runtime(); }

void Executor::throw_no_row(std::string_view sql) {
  throw Error(Code::not_found, "no row where one is wanted: " + base::quoted(sql));
}

void Executor::throw_not_one(std::string_view sql, std::string_view what, std::size_t count) {
  throw Error(Code::invalid_argument, std::to_string(count) + (count > 1 ? " or more " : " ") + std::string(what) +
                                          "s where one is wanted: " + base::quoted(sql));
}

}  // namespace tidelock::sql
