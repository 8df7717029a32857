// Values that a log must not hold: which places of a statement belong to a secret column or parameter.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/spy/tokens.h"

namespace re2 {
class RE2;
}

namespace tidelock::sql::spy {

// Names of columns and parameters whose values are masked: those that base::names_a_secret() knows, and these patterns.
// Thread-safe.
class SecretNames {
 public:
  // RE2 expressions; each matches a whole name, without regard to case. Error: invalid_argument.
  explicit SecretNames(const std::vector<std::string>& patterns = {});
  ~SecretNames();
  SecretNames(SecretNames&&) noexcept;
  bool match(std::string_view name) const;

 private:
  std::vector<std::unique_ptr<re2::RE2>> patterns_;
};

// For each token, whether it is a value of a secret column: listed in an INSERT, compared with or assigned to one,
// passed to a function of such a name, or standing right behind such a word (IDENTIFIED BY PASSWORD '…'). A value that
// the text does not tie to a name is not found: bind it as a base::Secret.
std::vector<bool> secret_values(std::span<const Token> significant, const SecretNames& names);

}  // namespace tidelock::sql::spy
