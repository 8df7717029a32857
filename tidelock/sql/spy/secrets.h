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

// For each token, whether it is a value of a secret column: listed in an INSERT, WITH or row, compared with or assigned
// to one or to what is made of one, passed to a function of such a name or together with one, called by such a name, or
// standing right behind such a word (IDENTIFIED BY PASSWORD '…'). Rather one too many than one too few. A value that
// the text does not tie to a name is not found: bind it as a base::Secret. In time that grows with the text.
std::vector<bool> secret_values(std::span<const Token> significant, const SecretNames& names);
// Whether one of the names in it is a secret's.
bool mentions_a_secret(std::span<const Token> significant, const SecretNames& names);
// The same of what an engine says, whatever marks stand around a name.
bool words_mention_a_secret(std::string_view words, const SecretNames& names);

}  // namespace tidelock::sql::spy
