// JSON as the commands print it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tidelock::cli {

inline constexpr int kOneLine = -1;
inline constexpr int kIndented = 2;

// What is no UTF-8 becomes U+FFFD.
inline std::string json_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace tidelock::cli
