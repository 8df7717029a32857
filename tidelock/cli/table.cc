#include "tidelock/cli/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidelock::cli {

std::vector<std::size_t> column_widths(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  return widths;
}

std::string table_line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i + 1 < cells.size(); ++i) line += fmt::format("{:<{}}  ", cells[i], widths[i]);
  line += cells.back();
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  const auto widths = column_widths(rows);
  std::string out;
  for (const auto& row : rows) out += table_line(row, widths);
  return out;
}

}  // namespace tidelock::cli
