// A statement's text, with what is found out about it once and used for each execution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/dialect.h"
#include "tidelock/sql/spy/literals.h"
#include "tidelock/sql/spy/secrets.h"
#include "tidelock/sql/value.h"

namespace tidelock::sql::spy {

// The database that statements ran on.
struct Place {
  std::string url;  // Without secrets.
  std::string engine;
  Lexis lexis;
};

// Constant. Values of secret columns that stand in the text are replaced by '***'.
class StatementText {
 public:
  // wanted: whether the filter lets it through.
  StatementText(std::shared_ptr<const Place> place, std::string_view sql, const SecretNames& names, bool wanted);

  const Place& place() const { return *place_; }
  const std::string& sql() const { return sql_; }  // As the caller wrote it, with `?`.
  bool wanted() const { return wanted_; }
  bool is_secret(std::size_t parameter) const { return parameter < holes_.size() && holes_[parameter].secret; }
  // A value of a secret column stands in it or among its parameters, or the name of one: of what it reads and writes.
  bool touches_secrets() const { return touches_secrets_; }

  // The text with literals in place of `?`, and `?` in place of `??`. A `?` without a value stays.
  void append_effective(std::string& out, std::span<const Value> values, const LiteralForms& forms) const;

 private:
  struct Hole {
    std::size_t offset;
    bool secret;
  };
  std::shared_ptr<const Place> place_;
  std::string sql_;
  std::vector<Hole> holes_;             // Where each `?` is.
  std::vector<std::size_t> operators_;  // Where each `??` is.
  bool wanted_;
  bool touches_secrets_;
};

}  // namespace tidelock::sql::spy
