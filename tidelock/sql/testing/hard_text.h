// Random text made of the pieces that SQL is hard to read for.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>

#include "tidelock/world/random.h"

namespace tidelock::sql::testing {

inline std::string hard_text(world::Random& random, std::size_t most = 14) {
  static constexpr const char* kPieces[] = {
      "'",  "''",   "\"",    "`",    "[",  "]",   "$$", "$a$", "$",  "E'",       "e'",
      "n'", "x'",   "U&'",   "U&\"", "\\", "\\'", "--", "-",   "/*", "*/",       "/",
      "*",  "#",    "\n",    "\r",   " ",  "\t",  ";",  "1",   "1e", "1.",       "a",
      "E",  "drop", "where", "b$",   "(",  ")",   ",",  "+",   "=",  "\xc2\xa0", "\xef\xbb\xbf",
      "::", "|",    ":a",    "@",    "$a("};
  std::string text;
  const auto count = 1 + random.below(static_cast<std::uint32_t>(most));
  for (std::uint32_t i = 0; i < count; ++i) text += kPieces[random.below(std::size(kPieces))];
  return text;
}

}  // namespace tidelock::sql::testing
