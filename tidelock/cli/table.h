// Columns for people.
#pragma once

#include <string>
#include <vector>

namespace tidelock::cli {

// Each column as wide as its widest cell, two spaces apart; the last one is not padded. Every row has as many cells as
// the first, which is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace tidelock::cli
