// parse_properties() never crashes and refuses with invalid_argument only; what it read is read again when it is
// written with everything escaped; and a configuration of P6Spy made of it is taken or refused likewise.
#include "tidelock/sql/spy/properties.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/spy/p6spy_file.h"

namespace {

using namespace tidelock;

void check(bool holds) {
  if (!holds) std::abort();
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += c == '\n' ? "\\n" : "\\r";
    } else {
      if (static_cast<unsigned char>(c) < 0x80 && c != 'n' && c != 'r' && c != 't' && c != 'f' && c != 'u') out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    std::string again = "#\n";  // A byte order mark counts at the very begin only.
    const auto properties = sql::spy::parse_properties(text);
    for (const auto& [key, value, line] : properties) {
      check(!base::find_invalid_utf8(key) && !base::find_invalid_utf8(value) && line >= 1);
      again += escaped(key) + "=" + escaped(value) + "\n";
    }
    const auto second = sql::spy::parse_properties(again);
    check(second.size() == properties.size());
    for (std::size_t i = 0; i < second.size(); ++i) {
      check(second[i].key == properties[i].key && second[i].value == properties[i].value);
    }
  } catch (const Error& error) {
    check(error.code() == Code::invalid_argument);
  }
  try {
    sql::spy::parse_p6spy(text, "spy.properties");
  } catch (const Error& error) {
    check(error.code() == Code::invalid_argument);
  }
  return 0;
}
