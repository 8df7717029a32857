// Text that must not reach a log, a message or a trace: passwords, keys, session tokens.
#pragma once

#include <fmt/format.h>

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace tidelock::base {

// What is printed in place of a secret.
inline constexpr std::string_view kMasked = "***";

// Prints as ***, by << and by fmt; only reveal() gives the text, so every use of it can be found by its name.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

  friend bool operator==(const Secret&, const Secret&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << kMasked; }

 private:
  std::string text_;
};

// Whether a field or parameter of this name holds a secret: its name contains password, passwd, pwd, secret, token,
// credential or api_key, in any case. Names of fencing tokens are no secrets.
bool names_a_secret(std::string_view name);

}  // namespace tidelock::base

template <>
struct fmt::formatter<tidelock::base::Secret> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(const tidelock::base::Secret&, Context& context) const {
    return fmt::formatter<std::string_view>::format(tidelock::base::kMasked, context);
  }
};
