#include "tidelock/batch/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/split.h"

namespace tidelock::batch {
namespace {

class Splitter {
 public:
  Splitter(std::string_view name, std::string_view text, const sql::Lexis& lexis, const Moment& moment)
      : name_(name), text_(text), lexis_(lexis), moment_(moment), lexer_(text, lexis) {}

  std::vector<BoundStatement> run() {
    while (const auto token = next()) {
      if (token->is(';') && sql::semicolon_ends(tokens_, lexis_)) {
        finish(token->begin);
        copied_ = token->end();
      } else {
        take(*token);
      }
    }
    finish(text_.size());
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(std::size_t at, std::string_view why) const {
    throw Error(Code::statement_invalid, fmt::format("{}:{}: {}", name_, line_of(at), why));
  }
  std::size_t line_of(std::size_t at) const {
    return 1 +
           static_cast<std::size_t>(std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  }

  std::optional<sql::Token> next() {
    try {
      return lexer_.next();
    } catch (const Error& error) {
      refuse(lexer_.unended_at(), error.what());
    }
  }

  void take(const sql::Token& token) {
    if (tokens_.empty()) current_.line = line_of(token.begin);
    tokens_.push_back(token);
    if (token.is('$')) dollar(token);
    if (token.kind != sql::TokenKind::placeholder) return;
    if (!token.text.starts_with('$')) {
      refuse(token.begin, fmt::format("a {} has no value here; use $now, $today or $yesterday", token.text));
    }
    variable(token.begin, token.end());
  }

  // No dollar quote begins at `dollar`, or it would not be a token.
  void dollar(const sql::Token& dollar) {
    const auto word = next();
    const bool has_name = word && word->begin == dollar.end() && word->kind <= sql::TokenKind::number;
    variable(dollar.begin, has_name ? word->end() : dollar.end());
    tokens_.back() = *word;
  }
  void variable(std::size_t begin, std::size_t end) {
    current_.values.push_back(value_of(text_.substr(begin, end - begin), begin));
    current_.sql += text_.substr(copied_, begin - copied_);
    current_.sql += '?';
    copied_ = end;
  }
  sql::ValueView value_of(std::string_view name, std::size_t at) const {
    if (name == "$now") return moment_.now;
    if (name == "$today") return moment_.today;
    if (name == "$yesterday") return moment_.yesterday;
    refuse(at, base::quoted(name) + " is none of $now, $today and $yesterday");
  }

  void finish(std::size_t end) {
    if (!tokens_.empty()) {
      current_.sql += text_.substr(copied_, end - copied_);
      current_.sql = std::string(base::ascii::trimmed(current_.sql));
      result_.push_back(std::move(current_));
    }
    current_ = {};
    tokens_.clear();
  }

  std::string_view name_;
  std::string_view text_;
  const sql::Lexis& lexis_;
  const Moment& moment_;
  sql::Lexer lexer_;
  std::size_t copied_ = 0;  // What the current statement has of the text, and those before it.
  std::vector<sql::Token> tokens_;
  BoundStatement current_;
  std::vector<BoundStatement> result_;
};

}  // namespace

std::vector<BoundStatement> split_script(std::string_view name, std::string_view text, const sql::Lexis& lexis,
                                         const Moment& moment) {
  return Splitter(name, text, lexis, moment).run();
}

}  // namespace tidelock::batch
