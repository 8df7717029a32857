// Long text, cut between two characters of its UTF-8.
#pragma once

#include <cstddef>
#include <string>

namespace tidelock::sql::spy {

// Cuts off what is longer, and marks the place with "…", which comes on top of the limit. Returns the size.
inline std::size_t cut_text(std::string& text, std::size_t limit_bytes) {
  if (text.size() > limit_bytes) {
    auto end = limit_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    text += "…";
  }
  return text.size();
}

}  // namespace tidelock::sql::spy
