#include "tidelock/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tidelock/base/ascii.h"

namespace tidelock::base {
namespace {

// Length of the UTF-8 sequence at the start of `text`, 0 when there is none. Table 3-7 of the Unicode standard.
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto continues = [&](std::size_t i, std::uint8_t low = 0x80, std::uint8_t high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const auto lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // A continuation byte, or an overlong form.
  if (lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    const bool second = continues(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && continues(2) ? 3 : 0;
  }
  if (lead < 0xF5) {
    const bool second = continues(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Levenshtein's distance with one row of the table (Wagner and Fischer, 1974).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto changed = diagonal + (ascii::to_lower(a[i - 1]) == ascii::to_lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string quoted(std::string_view text, std::size_t limit_bytes) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_sequence(text.substr(i));
    if (i + std::max<std::size_t>(length, 1) > limit_bytes) {
      out += "…";
      break;
    }
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const bool c1_control = length == 2 && byte == 0xC2 && static_cast<std::uint8_t>(text[i + 1]) < 0xA0;
    if (byte == '"' || byte == '\\') {
      out += {'\\', text[i]};
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (length == 0 || byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (c1_control) {
      out += fmt::format("\\x{:02x}\\x{:02x}", byte, static_cast<std::uint8_t>(text[i + 1]));
    } else {
      out += text.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  return out + '"';
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    std::uint64_t eight = 0;
    if (text.size() - i >= sizeof eight) {
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080) == 0) [[likely]] {  // All of them ASCII.
        i += sizeof eight;
        continue;
      }
    }
    if (static_cast<unsigned char>(text[i]) < 0x80) [[likely]] {
      ++i;
      continue;
    }
    const auto length = utf8_sequence(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

std::optional<std::string> nearest_name(std::string_view text, std::span<const std::string> names) {
  std::optional<std::string> best;
  // A third of the letters may be wrong, and long texts are no names.
  std::size_t best_distance = std::min<std::size_t>(text.size(), 64) / 3 + 1;
  if (text.size() > 64) return best;
  for (const auto& name : names) {
    const auto distance = edit_distance(text, name);
    if (distance < best_distance || (distance == best_distance && !best)) {
      if (distance >= name.size()) continue;  // Nothing in common.
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

std::string listed(std::span<const std::string> names) {
  if (names.empty()) return "none";
  std::string out(names.front());
  for (std::size_t i = 1; i < names.size(); ++i) {
    out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  return out;
}

}  // namespace tidelock::base
