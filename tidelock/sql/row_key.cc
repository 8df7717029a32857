#include "tidelock/sql/row_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql {
namespace {

using Document = nlohmann::json;

// What the catalogue has for a name in a statement. PostgreSQL turns what has no quotes into lower case; the others
// keep it, and this is compared without regard to case there.
std::string name_in_catalogue(const Token& token, const Dialect& dialect) {
  const bool folds = token.kind == TokenKind::word && dialect.engine == "postgres";
  return folds ? base::ascii::lower(token.text) : unquoted(token);
}

std::vector<KeyColumn> named(const std::vector<std::string>& names, const Dialect& dialect) {
  std::vector<KeyColumn> columns;
  for (const auto& name : names) columns.push_back({.text = dialect.quote(name)});
  return columns;
}

std::vector<std::string> names_in(Rows rows) {
  std::vector<std::string> names;
  for (const auto row : rows) names.push_back(row.get<std::string>(0));
  return names;
}

// The number of the row, unless a column has taken all its names or the table has none.
RowKey sqlite_key(Connection& connection, const TableName& table) {
  const auto schema = table.schema.empty() ? "main" : table.schema;
  std::vector<std::string> names;
  std::vector<std::pair<std::int64_t, std::string>> key;
  for (const auto row : connection.query("select name, pk from pragma_table_info(?, ?)", table.name, schema)) {
    names.push_back(base::ascii::lower(row.get<std::string>(0)));
    if (const auto place = row.get<std::int64_t>(1)) key.emplace_back(place, row.get<std::string>(0));
  }
  const auto kind =
      connection.maybe<bool>("select wr from pragma_table_list(?) where lower(schema) = lower(?)", table.name, schema);
  if (!kind.value_or(false)) {
    for (const auto* name : {"rowid", "_rowid_", "oid"}) {
      if (std::ranges::find(names, name) == names.end()) return {.columns = {{.text = name}}};
    }
  }
  std::ranges::sort(key);
  RowKey result;
  for (const auto& [place, column] : key) result.columns.push_back({.text = connection.dialect().quote(column)});
  if (result.columns.empty() && !names.empty()) {
    throw Error(Code::unsupported, "table " + table.text +
                                       " has no primary key, and columns that take all the names of the number of a "
                                       "row: name the columns to go by");
  }
  return result;
}

// DuckDB orders an ENUM by number, and compares it with a text as texts. It numbers rows anew when it cleans up behind
// deleted ones: no order to go by, but good for one transaction.
RowKey duckdb_key(Connection& connection, const TableName& table, const std::vector<std::string>& names) {
  RowKey result{.columns = {}, .row_id = "rowid"};
  std::map<std::string, bool> numbered;
  std::vector<std::string> primary;
  for (const auto row : connection.query("select column_name, column_type, key from (describe " + table.text + ")")) {
    const auto name = row.get<std::string>(0);
    numbered[base::ascii::lower(name)] = row.get<std::string>(1).starts_with("ENUM(");
    if (row.get<std::optional<std::string>>(2) == "PRI") primary.push_back(name);
  }
  for (const auto& name : names.empty() ? primary : names) {
    const auto column = connection.dialect().quote(name);
    const bool is_numbered = numbered[base::ascii::lower(name)];
    const auto text = is_numbered ? "enum_code(" + column + ")" : column;
    result.columns.push_back({.text = text, .value = text, .numbered = is_numbered});
  }
  return result;
}

// MariaDB orders ENUM and SET by number, and compares them with a text as texts, with a number by number.
RowKey mariadb_key(Connection& connection, const TableName& table, const std::vector<std::string>& names) {
  RowKey result;
  std::map<std::string, bool> numbered;
  for (const auto row : connection.query("show columns from " + table.text)) {
    const auto type = row.get<std::string>(1);
    numbered[base::ascii::lower(row.get<std::string>(0))] = type.starts_with("enum(") || type.starts_with("set(");
  }
  std::vector<std::string> primary;
  for (const auto row : connection.query("show index from " + table.text + " where key_name = 'PRIMARY'")) {
    primary.push_back(row.get<std::string>("Column_name"));
  }
  for (const auto& name : names.empty() ? primary : names) {
    const auto column = connection.dialect().quote(name);
    const bool is_numbered = numbered[base::ascii::lower(name)];
    result.columns.push_back(
        {.text = column, .value = is_numbered ? column + " + 0" : column, .numbered = is_numbered});
  }
  return result;
}

// A ctid names a row of one table: each partition, and each table that inherits, counts its own.
RowKey postgres_key(Connection& connection, const TableName& table) {
  return {.columns = named(
              names_in(connection.query("select a.attname::text from pg_constraint as c "
                                        "cross join unnest(c.conkey) with ordinality as k(number, place) "
                                        "join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.number "
                                        "where c.contype = 'p' and c.conrelid = to_regclass(?) order by k.place",
                                        table.text)),
              connection.dialect()),
          .row_id = "tableoid, ctid"};
}

// Error: invalid_argument unless they are `most` at most.
std::vector<std::string> parts_of_name(std::string_view text, const Dialect& dialect, std::size_t most) {
  std::vector<std::string> parts;
  bool is_name = true;
  bool wants_part = true;
  Lexer lexer(text, dialect.lexis);
  while (const auto token = lexer.next()) {
    const bool is_part = token->kind == TokenKind::word || token->kind == TokenKind::quoted_name;
    is_name = is_name && (wants_part ? is_part : token->is('.'));
    if (is_part) parts.push_back(name_in_catalogue(*token, dialect));
    wants_part = !wants_part;
  }
  if (!is_name || wants_part || parts.size() > most) {
    throw Error(Code::invalid_argument, base::quoted(text) +
                                            " is no name of a table: write name or schema.name, and a name that is "
                                            "more than letters, digits and _ as " +
                                            dialect.quote("name"));
  }
  return parts;
}

Document to_json(const Value& value) {
  const auto tagged = [&](std::string_view text) { return Document{{std::string(name(kind(view(value)))), text}}; };
  switch (kind(view(value))) {
    case Kind::boolean:
      return std::get<bool>(value);
    case Kind::int64:
      return std::get<std::int64_t>(value);
    case Kind::text:
      return std::get<std::string>(value);
    case Kind::decimal:
      return tagged(std::get<Decimal>(value).text());
    case Kind::date:
      return tagged(format_date(std::get<Date>(value)).view());
    case Kind::time:
      return tagged(format_time(std::get<TimeOfDay>(value)).view());
    case Kind::timestamp:
      return tagged(format_timestamp(std::get<Timestamp>(value), 'T').view());
    case Kind::uuid:
      return tagged(format_uuid(std::get<base::Uuid>(value)).view());
    case Kind::blob:
      return tagged(format_blob(std::get<Blob>(value)));
    case Kind::null:
    case Kind::real:
    case Kind::json:
      break;
  }
  throw Error(Code::invalid_argument,
              "a key of rows to delete holds " + base::quoted(to_text(view(value))) + ", a " +
                  std::string(name(kind(view(value)))) +
                  ", by which rows cannot be gone through in order: name other columns as the key");
}

[[noreturn]] void refuse_position(std::string_view text) {
  throw Error(Code::invalid_argument,
              base::quoted(text) +
                  " is no position of this key: give the one that the progress of the earlier run "
                  "showed last, such as [42]");
}

Value from_json(const Document& json, std::string_view text) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    refuse_position(text);
  }
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object() || json.size() != 1 || !json.begin()->is_string()) refuse_position(text);
  const auto& tag = json.begin().key();
  const auto form = json.begin()->get<std::string>();
  const auto made = [&](auto parsed) -> Value {
    if (!parsed) refuse_position(text);
    return *parsed;
  };
  if (tag == name(Kind::decimal) && is_plain_decimal(form)) return Decimal(form);
  if (tag == name(Kind::date)) return made(parse_date(form));
  if (tag == name(Kind::time)) return made(parse_time(form));
  if (tag == name(Kind::timestamp)) return made(parse_timestamp(form));
  if (tag == name(Kind::uuid)) return made(base::Uuid::try_parse(form));
  if (tag == name(Kind::blob)) return made(parse_blob(form));
  refuse_position(text);
}

}  // namespace

TableName parse_table_name(std::string_view text, const Dialect& dialect) {
  const auto parts = parts_of_name(text, dialect, 2);
  TableName table{.text = std::string(text), .schema = {}, .name = parts.back()};
  if (parts.size() == 2) table.schema = parts.front();
  return table;
}

std::string quoted_table_name(std::string_view text, const Dialect& dialect) {
  std::string name;
  for (const auto& part : parts_of_name(text, dialect, 3)) name += (name.empty() ? "" : ".") + dialect.quote(part);
  return name;
}

RowKey find_row_key(Connection& connection, const TableName& table, const std::vector<std::string>& columns) {
  const auto& dialect = connection.dialect();
  if (dialect.engine == "duckdb") return duckdb_key(connection, table, columns);
  if (dialect.engine == "mariadb") return mariadb_key(connection, table, columns);
  if (!columns.empty()) return {.columns = named(columns, dialect)};
  if (dialect.engine == "sqlite") return sqlite_key(connection, table);
  if (dialect.engine == "postgres") return postgres_key(connection, table);
  throw Error(Code::unsupported, "the key of a table is not known on " + dialect.engine + ": name its columns");
}

std::string key_to_text(const std::vector<Value>& key) {
  auto json = Document::array();
  for (const auto& value : key) json.push_back(to_json(value));
  try {
    return json.dump(-1, ' ', true);
  } catch (const Document::type_error&) {
    throw Error(Code::invalid_argument,
                "a key of rows to delete holds a text that is not UTF-8, so that no position can be told: name other "
                "columns as the key");
  }
}

std::vector<Value> key_from_text(std::string_view text, std::span<const KeyColumn> columns) {
  const auto json = Document::parse(text, nullptr, false);
  if (!json.is_array() || json.size() != columns.size()) refuse_position(text);
  std::vector<Value> key;
  for (const auto& part : json) {
    if (columns[key.size()].numbered && !part.is_number_integer()) refuse_position(text);
    key.push_back(from_json(part, text));
  }
  return key;
}

}  // namespace tidelock::sql
