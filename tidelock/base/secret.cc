#include "tidelock/base/secret.h"

#include <algorithm>
#include <array>

#include "tidelock/base/ascii.h"

namespace tidelock::base {

bool names_a_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kWords{"password", "passwd",     "pwd",     "secret",
                                                          "token",    "credential", "api_key", "apikey"};
  const auto lower = ascii::lower(name);
  if (lower.find("fencing") != std::string::npos) return false;
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace tidelock::base
