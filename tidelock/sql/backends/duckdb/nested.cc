#include "tidelock/sql/backends/duckdb/nested.h"

#include <algorithm>
#include <set>
#include <vector>

#include "tidelock/base/ascii.h"
#include "tidelock/sql/backends/duckdb/column_reader.h"

namespace tidelock::sql::duckdb {
namespace {

struct NamedColumn {
  std::string name;
  bool is_cast;
};

std::vector<NamedColumn> columns_of(const Api& api, duckdb_prepared_statement statement) {
  std::vector<NamedColumn> columns;
  const auto count = api.prepared_statement_column_count(statement);
  for (idx_t i = 0; i < count; ++i) {
    const char* name = api.prepared_statement_column_name(statement, i);
    columns.push_back(
        {name != nullptr ? name : "", !ColumnReader::has_kind(api.prepared_statement_column_type(statement, i))});
    api.free(const_cast<char*>(name));
  }
  return columns;
}

std::string in_quotes(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

bool have_names_of_their_own(const std::vector<NamedColumn>& columns) {
  std::set<std::string> names;
  return std::ranges::all_of(columns,
                             [&](const auto& column) { return names.insert(base::ascii::lower(column.name)).second; });
}

// By their places: two of one name stay so.
std::string cast_by_place(const std::vector<NamedColumn>& columns, const std::string& from) {
  std::string list;
  std::string places;
  std::size_t index = 0;
  for (const auto& column : columns) {
    const auto place = "c" + std::to_string(index++);
    list += (list.empty() ? "" : ", ") + (column.is_cast ? "cast(" + place + " as varchar)" : place) + " as " +
            in_quotes(column.name);
    places += (places.empty() ? "" : ", ") + place;
  }
  return "select " + list + from + " as t(" + places + ")";
}

// By their names: right also when the engine plans it anew after a table got other columns.
std::string cast_by_name(const std::vector<NamedColumn>& columns, const std::string& from) {
  std::string list;
  for (const auto& column : columns) {
    if (!column.is_cast) continue;
    const auto name = in_quotes(column.name);
    list += (list.empty() ? "" : ", ") + ("cast(" + name) + " as varchar) as " + name;
  }
  return "select * replace (" + list + ")" + from;
}

}  // namespace

std::optional<std::string> with_casts_to_text(const Api& api, duckdb_prepared_statement statement,
                                              std::string_view sql) {
  if (api.prepared_statement_type(statement) != DUCKDB_STATEMENT_TYPE_SELECT) return std::nullopt;
  const auto columns = columns_of(api, statement);
  if (std::ranges::none_of(columns, &NamedColumn::is_cast)) return std::nullopt;
  const auto end = sql.find_last_not_of("; \t\r\n");
  const auto from = " from (" + std::string(sql.substr(0, end + 1)) + "\n)";  // Behind a comment that ends it.
  if (api.nparams(statement) == 0) return cast_by_place(columns, from);
  if (!have_names_of_their_own(columns)) return std::nullopt;
  return cast_by_name(columns, from);
}

}  // namespace tidelock::sql::duckdb
