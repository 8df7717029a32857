#include "tidelock/cli/row_printer.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/json_text.h"
#include "tidelock/cli/output.h"
#include "tidelock/cli/table.h"

namespace tidelock::cli {
namespace {

constexpr std::size_t kMeasuredRows = 1000;
constexpr std::size_t kMeasuredBytes = std::size_t{1} << 20;

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::string>;

std::string text_of(const sql::ValueView& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  if (const auto* json = std::get_if<sql::JsonView>(&value)) return std::string(json->text);
  return sql::to_text(value);
}

std::string csv_cell(const sql::ValueView& value) {
  if (std::holds_alternative<sql::Null>(value)) return {};
  const auto text = text_of(value);
  if (!text.empty() && text.find_first_of("\",\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  return quoted + '"';
}

Cells column_names(const sql::Rows& rows) {
  Cells names;
  for (std::size_t i = 0; i < rows.column_count(); ++i) names.emplace_back(rows.column_name(i));
  return names;
}

template <typename Cell>
Cells cells_of(const sql::Row& row, Cell cell) {
  Cells cells;
  for (std::size_t i = 0; i < row.size(); ++i) cells.push_back(cell(row[i]));
  return cells;
}

void print_table(sql::Rows& rows, std::ostream& out) {
  Cells heading;
  for (const auto& name : column_names(rows)) heading.push_back(table_cell(std::string_view(name)));
  std::vector<Cells> first{std::move(heading)};
  if (first.front().empty()) {
    while (rows.next()) {
    }
    return;
  }
  std::int64_t count = 0;
  bool more = rows.next();
  std::size_t bytes = 0;
  for (; more && first.size() <= kMeasuredRows && bytes < kMeasuredBytes; more = rows.next(), ++count) {
    first.push_back(cells_of(rows.row(), table_cell));
    for (const auto& cell : first.back()) bytes += cell.size();
  }
  const auto widths = column_widths(first);
  for (const auto& cells : first) out << table_line(cells, widths);
  first.clear();
  for (; more; more = rows.next(), ++count) {
    out << table_line(cells_of(rows.row(), table_cell), widths);
    check_output(out);
  }
  out << fmt::format("({} row{})\n", count, count == 1 ? "" : "s");
}

void print_csv(sql::Rows& rows, std::ostream& out) {
  Cells names;
  for (const auto& name : column_names(rows)) names.push_back(csv_cell(std::string_view(name)));
  if (!names.empty()) out << fmt::format("{}\n", fmt::join(names, ","));
  while (rows.next()) {
    out << fmt::format("{}\n", fmt::join(cells_of(rows.row(), csv_cell), ","));
    check_output(out);
  }
}

void print_json(sql::Rows& rows, std::ostream& out) {
  const auto head = "{\"columns\":" + json_text(column_names(rows), kOneLine) + ",\"rows\":[";
  bool first = true;
  try {
    for (; rows.next(); first = false) {
      Json cells = Json::array();
      for (std::size_t i = 0; i < rows.row().size(); ++i) cells.push_back(json_cell(rows.row()[i]));
      out << (first ? head : ",") << json_text(cells, kOneLine);
      check_output(out);
    }
  } catch (const Error&) {  // What comes next stands on a line of its own, and this one is seen to be none.
    if (!first) out << '\n';
    throw;
  }
  out << (first ? head : "") << "]}\n";
}

}  // namespace

std::string table_cell(const sql::ValueView& value) {
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return sql::to_text(value);
  const auto quoted = base::quoted(*text, text->size());
  const auto plain = quoted.substr(1, quoted.size() - 2);
  const bool may_mislead = plain.empty() || plain == "NULL" || plain.front() == ' ' || plain.back() == ' ';
  return may_mislead ? quoted : plain;
}

nlohmann::ordered_json json_cell(const sql::ValueView& value) {
  if (std::holds_alternative<sql::Null>(value)) return nullptr;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* number = std::get_if<double>(&value)) {
    return std::isfinite(*number) ? Json(*number) : Json(sql::to_text(value));
  }
  return text_of(value);
}

std::optional<RowFormat> row_format_named(std::string_view name) {
  if (name == "table") return RowFormat::table;
  if (name == "csv") return RowFormat::csv;
  if (name == "json") return RowFormat::json;
  return std::nullopt;
}

void print_rows(sql::Rows& rows, RowFormat format, std::ostream& out) {
  switch (format) {
    case RowFormat::table:
      print_table(rows, out);
      break;
    case RowFormat::csv:
      print_csv(rows, out);
      break;
    case RowFormat::json:
      print_json(rows, out);
      break;
  }
  rows.finish();
  check_output(out);
}

void print_changes(std::int64_t rows, RowFormat format, std::ostream& out) {
  if (format == RowFormat::table) out << fmt::format("{} row{} changed\n", rows, rows == 1 ? "" : "s");
  if (format == RowFormat::json) out << fmt::format("{{\"changed\":{}}}\n", rows);
  check_output(out);
}

}  // namespace tidelock::cli
