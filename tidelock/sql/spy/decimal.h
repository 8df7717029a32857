// Whole numbers in decimal, as the formats of the spy write them.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <string>

namespace tidelock::sql::spy {

inline void append_number(std::string& out, std::integral auto number) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

}  // namespace tidelock::sql::spy
