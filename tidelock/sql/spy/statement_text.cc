#include "tidelock/sql/spy/statement_text.h"

#include <algorithm>
#include <utility>

namespace tidelock::sql::spy {
namespace {

constexpr std::string_view kMaskedLiteral = "'***'";

}  // namespace

StatementText::StatementText(std::shared_ptr<const Place> place, std::string_view sql, const SecretNames& names,
                             bool wanted)
    : place_(std::move(place)), wanted_(wanted) {
  const auto tokens = significant_tokens(sql, place_->lexis);
  const auto secret = secret_values(tokens, names);
  touches_secrets_ = mentions_a_secret(tokens, names) || std::ranges::find(secret, true) != secret.end();
  std::size_t copied = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto& token = tokens[i];
    const auto here = [&] { return sql_.size() + token.offset - copied; };
    if (token.kind == TokenKind::placeholder) {
      holes_.push_back({here(), secret[i]});
    } else if (token.is_symbol("??")) {
      operators_.push_back(here());
    } else if (secret[i]) {
      sql_.append(sql, copied, token.offset - copied).append(kMaskedLiteral);
      copied = token.offset + token.text.size();
    }
  }
  sql_.append(sql, copied);
}

void StatementText::append_effective(std::string& out, std::span<const Value> values, const LiteralForms& forms) const {
  std::size_t copied = 0;
  auto next_operator = operators_.begin();
  const auto copy_to = [&](std::size_t end) {
    for (; next_operator != operators_.end() && *next_operator < end; ++next_operator) {
      out.append(sql_, copied, *next_operator + 1 - copied);
      copied = *next_operator + 2;
    }
    out.append(sql_, copied, end - copied);
    copied = end;
  };
  for (std::size_t i = 0; i < holes_.size() && i < values.size(); ++i) {
    copy_to(holes_[i].offset);
    append_literal(out, values[i], place_->engine, place_->lexis, forms);
    ++copied;
  }
  copy_to(sql_.size());
}

}  // namespace tidelock::sql::spy
