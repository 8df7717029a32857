#include "tidelock/batch/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::batch {
namespace {

bool in_word(char c) { return base::ascii::is_letter_or_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80; }
using base::ascii::is_space;

class Splitter {
 public:
  Splitter(std::string_view name, std::string_view text, const sql::Lexis& lexis, const Moment& moment)
      : name_(name), text_(text), lexis_(lexis), moment_(moment) {}

  std::vector<BoundStatement> run() {
    while (at_ < text_.size()) step();
    finish();
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(std::size_t at, const std::string& why) const {
    throw Error(Code::statement_invalid, fmt::format("{}:{}: {}", name_, line_of(at), why));
  }
  std::size_t line_of(std::size_t at) const {
    return 1 +
           static_cast<std::size_t>(std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  }
  char peek(std::size_t ahead = 1) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void step() {
    const char c = text_[at_];
    if (is_space(c)) return take(1);
    if (const auto length = comment_length()) return take(length);
    if (c == ';') return semicolon();
    if (!begun_) begin();
    if (const auto length = quoted_length(c)) return take(length);
    if (c == '$') return variable();
    if (c == '?') refuse(at_, "a ? has no value here; use $now, $today or $yesterday");
    if (in_word(c)) return word();
    last_word_.clear();
    take(1);
  }

  void begin() {
    begun_ = true;
    current_.line = line_of(at_);
  }
  void take(std::size_t length) {
    current_.sql.append(text_, at_, length);
    at_ += length;
  }

  // 0: none begins here.
  std::size_t comment_length() const {
    if ((text_[at_] == '-' && peek() == '-') || (text_[at_] == '#' && lexis_.hash_comments)) {
      return std::min(text_.find('\n', at_), text_.size()) - at_;
    }
    if (text_[at_] != '/' || peek() != '*') return 0;
    std::size_t depth = 0;
    for (auto i = at_; i + 1 < text_.size(); ++i) {
      const auto two = text_.substr(i, 2);
      if (two == "*/") {
        if (depth == 1 || !lexis_.nested_comments) return i + 2 - at_;
        --depth;
        ++i;
      } else if (two == "/*") {
        ++depth;
        ++i;
      }
    }
    refuse(at_, "a comment that begins here does not end");
  }

  // Of a string, a quoted identifier or a dollar quote; 0: none begins here.
  std::size_t quoted_length(char c) const {
    if (c == '\'' || c == '"' || (c == '`' && lexis_.backtick_identifiers)) {
      const bool escapes = c == '\'' && (lexis_.backslash_escapes || (lexis_.escape_strings && last_word_ == "e"));
      return up_to_quote(c, escapes);
    }
    if (c == '[' && lexis_.bracket_identifiers) return up_to("]", 1);
    if (c == '$' && lexis_.dollar_quotes) {
      auto end = at_ + 1;
      while (end < text_.size() && in_word(text_[end])) ++end;
      if (end < text_.size() && text_[end] == '$') return up_to(text_.substr(at_, end + 1 - at_), end + 1 - at_);
    }
    return 0;
  }
  std::size_t up_to_quote(char quote, bool escapes) const {
    for (auto i = at_ + 1; i < text_.size(); ++i) {
      if (escapes && text_[i] == '\\') {
        ++i;
      } else if (text_[i] == quote) {
        if (i + 1 == text_.size() || text_[i + 1] != quote) return i + 1 - at_;
        ++i;
      }
    }
    refuse(at_, "text in quotes that begins here does not end");
  }
  std::size_t up_to(std::string_view end, std::size_t skip) const {
    const auto found = text_.find(end, at_ + skip);
    if (found == std::string_view::npos) refuse(at_, "text in quotes that begins here does not end");
    return found + end.size() - at_;
  }

  void word() {
    auto end = at_;
    while (end < text_.size() && (in_word(text_[end]) || text_[end] == '$')) ++end;
    last_word_ = base::ascii::lower(text_.substr(at_, end - at_));
    if (first_words_.size() < 4) first_words_.push_back(last_word_);
    take(end - at_);
  }

  void variable() {
    auto end = at_ + 1;
    while (end < text_.size() && in_word(text_[end])) ++end;
    const auto variable = text_.substr(at_, end - at_);
    if (variable == "$now") {
      current_.values.emplace_back(moment_.now);
    } else if (variable == "$today") {
      current_.values.emplace_back(moment_.today);
    } else if (variable == "$yesterday") {
      current_.values.emplace_back(moment_.yesterday);
    } else {
      refuse(at_, base::quoted(variable) + " is none of $now, $today and $yesterday");
    }
    current_.sql += '?';
    at_ = end;
    last_word_.clear();
  }

  // create [temp] trigger … begin …; …; end;
  bool inside_trigger() const {
    const bool is_trigger = !first_words_.empty() && first_words_[0] == "create" &&
                            std::ranges::find(first_words_, "trigger") != first_words_.end();
    return is_trigger && last_word_ != "end";
  }
  void semicolon() {
    if (inside_trigger()) return take(1);
    ++at_;
    finish();
  }
  void finish() {
    if (std::exchange(begun_, false)) result_.push_back(std::move(current_));
    current_ = {};
    first_words_.clear();
    last_word_.clear();
  }

  std::string_view name_;
  std::string_view text_;
  const sql::Lexis& lexis_;
  const Moment& moment_;
  std::size_t at_ = 0;
  bool begun_ = false;  // Something else than blanks and comments was seen of the current statement.
  BoundStatement current_;
  std::vector<std::string> first_words_;
  std::string last_word_;
  std::vector<BoundStatement> result_;
};

}  // namespace

std::vector<BoundStatement> split_script(std::string_view name, std::string_view text, const sql::Lexis& lexis,
                                         const Moment& moment) {
  return Splitter(name, text, lexis, moment).run();
}

}  // namespace tidelock::batch
