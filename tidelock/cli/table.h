// Columns for people.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tidelock::cli {

// Each column as wide as its widest cell, two spaces apart; no spaces at the end of a line. Every row has as many cells
// as the first, which is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

// The same a row at a time, for more rows than one keeps.
std::vector<std::size_t> column_widths(const std::vector<std::vector<std::string>>& rows);
std::string table_line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths);

}  // namespace tidelock::cli
