// Files of Java properties: `key=value`, `key: value` or `key value`, comments with # or !, lines that go on behind a
// backslash, \t \n \r \f \uXXXX. As java.util.Properties reads them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidelock::sql::spy {

struct Property {
  std::string key;
  std::string value;
  int line;  // Where it begins, from 1.
  friend bool operator==(const Property&, const Property&) = default;
};

// In the order of the file, UTF-8. A text that is not UTF-8 is read as ISO 8859-1. Pure.
// Error: invalid_argument, with the line, for a malformed \uXXXX, half a surrogate pair, or a NUL.
std::vector<Property> parse_properties(std::string_view text);

}  // namespace tidelock::sql::spy
