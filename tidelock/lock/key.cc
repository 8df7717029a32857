#include "tidelock/lock/key.h"

#include <fmt/format.h>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::lock {

void check_key(std::string_view what, std::string_view key, std::size_t bytes_max) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Code::invalid_argument, fmt::format("{} {}: {}", what, base::quoted(key), why));
  };
  if (key.empty()) refuse("must not be empty");
  if (key.size() > bytes_max) refuse(fmt::format("{} bytes, at most {} are allowed", key.size(), bytes_max));
  if (const auto nul = key.find('\0'); nul != key.npos) refuse(fmt::format("NUL at byte {}", nul));
  if (const auto at = base::find_invalid_utf8(key)) refuse(fmt::format("not UTF-8 at byte {}", *at));
}

std::uint32_t hash_key(std::string_view key) {
  std::uint32_t hash = 2166136261;
  for (const char byte : key) hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619;
  return hash;
}

}  // namespace tidelock::lock
