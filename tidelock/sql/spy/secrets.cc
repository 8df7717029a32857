#include "tidelock/sql/spy/secrets.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "tidelock/base/secret.h"
#include "tidelock/sql/spy/filter.h"

namespace tidelock::sql::spy {
namespace {

bool is_name(const Token& token) { return token.kind == TokenKind::word || token.kind == TokenKind::name; }

// Without quotes, the last part only: "u"."password" has two tokens.
std::string_view bare(const Token& token) {
  auto text = token.text;
  if (token.kind == TokenKind::name && text.size() >= 2) text = text.substr(1, text.size() - 2);
  return text;
}

bool compares(const Token& token) {
  if (token.kind == TokenKind::symbol) {
    for (const auto* known : {"=", "<>", "!=", "<", ">", "<=", ">=", "==", "<=>", ":=", "~", "~*", "!~", "||"}) {
      if (token.text == known) return true;
    }
    return false;
  }
  for (const auto* known : {"LIKE", "ILIKE", "IN", "BETWEEN", "IS", "NOT", "SIMILAR", "REGEXP", "RLIKE", "GLOB"}) {
    if (token.is(known)) return true;
  }
  return false;
}

bool ends_expression(const Token& token) {
  for (const auto* known : {"OR", "WHERE", "RETURNING", "FROM", "ORDER", "GROUP", "LIMIT", "WHEN", "THEN", "ELSE",
                            "END", "ON", "UNION", "HAVING", "SET", "AS", "JOIN"}) {
    if (token.is(known)) return true;
  }
  return token.is_symbol(",") || token.is_symbol(";");
}

// What begins the next clause behind the list of a SELECT. Reserved in every engine, so no name unless behind a dot.
bool ends_list(const Token& token) {
  for (const auto* known :
       {"FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "ON", "RETURNING"}) {
    if (token.is(known)) return true;
  }
  return token.is_symbol(";");
}

// Around text that a server executes, which is read as if they were not there.
bool is_sign(const Token& token) {
  return token.kind == TokenKind::symbol && (token.text.starts_with("/*") || token.text == "*/");
}

class Marking {
 public:
  Marking(std::span<const Token> tokens, const SecretNames& names)
      : tokens_(tokens), names_(names), marks_(tokens.size()) {}

  std::vector<bool> run() {
    // In the tables of this library a token is a fencing token, which is for all to see.
    tokens_are_fencing_ = std::ranges::any_of(
        tokens_, [](const Token& token) { return is_name(token) && bare(token).starts_with("tidelock_"); });
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].is("INSERT") || tokens_[i].is("REPLACE") || tokens_[i].is("INTO")) insert(i);
      if (tokens_[i].is("IDENTIFIED")) identified(i + 1);
      if (tokens_[i].is("PASSWORD") && i + 1 < tokens_.size() && tokens_[i + 1].is("FOR")) password_for(i + 2);
      if (tokens_[i].kind == TokenKind::string && holds_a_secret(tokens_[i].text)) mark(i);
      if (is_secret(tokens_[i])) named(i);
    }
    return std::move(marks_);
  }

 private:
  bool is_secret(const Token& token) const {
    return is_name(token) && names_.match(bare(token)) && !(tokens_are_fencing_ && bare(token) == "token");
  }
  bool is_symbol(std::size_t i, std::string_view symbol) const {
    return i < tokens_.size() && tokens_[i].is_symbol(symbol);
  }
  bool is(std::size_t i, std::string_view keyword) const { return i < tokens_.size() && tokens_[i].is(keyword); }
  void mark(std::size_t i) {
    if (i < tokens_.size() && tokens_[i].is_value()) marks_[i] = true;
  }

  // Everything up to the bracket that closes the one at `open`; returns where that is.
  std::size_t mark_brackets(std::size_t open) {
    std::size_t depth = 0;
    for (auto i = open; i < tokens_.size(); ++i) {
      if (tokens_[i].is_symbol("(")) ++depth;
      if (tokens_[i].is_symbol(")") && --depth == 0) return i;
      mark(i);
    }
    return tokens_.size();
  }

  // A secret name at `i`: what is assigned to it, compared with it, or stands in its brackets or right behind it.
  void named(std::size_t i) {
    auto next = i + 1;
    if (is_symbol(next, "(")) {
      mark_brackets(next);
      return;
    }
    mark(next);
    while (is_symbol(next, ")") || is_symbol(next, "::")) next += is_symbol(next, "::") ? 2 : 1;
    if (next < tokens_.size() && compares(tokens_[next])) expression(next + 1, tokens_[next].is("BETWEEN"));
    // ? = u.password, and ? = lower(u.password)
    auto before = i;
    while (before >= 2 && is_symbol(before - 1, ".")) before -= 2;
    while (before >= 2 && is_symbol(before - 1, "(")) before -= is_name(tokens_[before - 2]) ? 2 : 1;
    if (before >= 2 && compares(tokens_[before - 1])) mark(before - 2);
  }

  // identified [via|with plugin] by|using|as [password] '…' [or plugin using …]
  void identified(std::size_t i) {
    const auto is = [&](const char* word) { return i < tokens_.size() && tokens_[i].is(word); };
    if (!is("BY") && !is("VIA") && !is("WITH")) return;
    for (; i < tokens_.size() && !tokens_[i].is_symbol(",") && !tokens_[i].is_symbol(";"); ++i) {
      for (const auto* const ends : {"REQUIRE", "WITH", "ACCOUNT", "EXPIRE"}) {
        if (tokens_[i].is(ends) && !tokens_[i - 1].is("IDENTIFIED")) return;
      }
      mark(i);
    }
  }

  // set password for 'user'@'host' = '…'
  void password_for(std::size_t i) {
    while (i < tokens_.size() && !tokens_[i].is_symbol("=")) ++i;
    expression(i + 1, false);
  }

  // A text with parameters in it, such as that of a connection to elsewhere.
  bool holds_a_secret(std::string_view text) const {
    static const re2::RE2 kParameter(R"(([A-Za-z_]\w*)\s*=)");
    static const re2::RE2 kUrl(R"(://[^/\s:@']*:[^/\s@']+@)");
    if (text.find('=') == text.npos && text.find("://") == text.npos) return false;
    re2::StringPiece rest(text.data(), text.size());
    std::string name;
    while (re2::RE2::FindAndConsume(&rest, kParameter, &name)) {
      if (names_.match(name)) return true;
    }
    return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), kUrl);
  }

  void expression(std::size_t i, bool between) {
    std::size_t depth = 0;
    for (; i < tokens_.size(); ++i) {
      const auto& token = tokens_[i];
      if (token.is_symbol("(")) ++depth;
      if (token.is_symbol(")") && depth-- == 0) return;
      if (depth == 0 && ends_expression(token)) return;
      if (token.is("BETWEEN")) between = true;
      if (depth == 0 && token.is("AND") && !std::exchange(between, false)) return;
      mark(i);
    }
  }

  // Behind the bracket that closes the one at `open`.
  std::size_t skip_brackets(std::size_t open) const {
    std::size_t depth = 0;
    for (auto i = open; i < tokens_.size(); ++i) {
      if (tokens_[i].is_symbol("(")) ++depth;
      if (tokens_[i].is_symbol(")") && --depth == 0) return i + 1;
    }
    return tokens_.size();
  }

  // INSERT [IGNORE] [INTO] table [PARTITION (p)] (a, b) …, REPLACE …, and INSERT (a, b) … of a MERGE
  void insert(std::size_t begin) {
    auto i = begin + 1;
    for (; i < tokens_.size() && (is_name(tokens_[i]) || tokens_[i].is_symbol(".")); ++i) {
      if (is(i, "VALUES") || is(i, "SELECT") || is(i, "USING")) return;
      if (is(i, "PARTITION") && !is(i - 1, "INTO") && is_symbol(i + 1, "(")) i = skip_brackets(i + 1) - 1;
    }
    if (!is_symbol(i, "(")) return;
    if (i == begin + 1 && !is(begin, "INSERT")) return;  // replace(a, b) is a function.
    std::vector<bool> secret(1);
    for (++i; i < tokens_.size() && !tokens_[i].is_symbol(")"); ++i) {
      if (tokens_[i].is_symbol(",")) secret.push_back(false);
      if (is_secret(tokens_[i])) secret.back() = true;
    }
    if (std::ranges::find(secret, true) != secret.end()) rows(i + 1, secret);
  }

  // What is inserted: the lists of VALUES and of each SELECT of a query, not what stands in its brackets.
  void rows(std::size_t i, const std::vector<bool>& secret) {
    std::size_t depth = 0;
    bool begins = true;  // A query, perhaps in brackets.
    while (i < tokens_.size() && !tokens_[i].is_symbol(";")) {
      if (is(i, "OVERRIDING")) {  // overriding system value
        i += 3;
      } else if (is_symbol(i, "(") && !begins) {
        i = skip_brackets(i);
      } else if (is_symbol(i, "(")) {
        ++depth;
        ++i;
      } else if (is_symbol(i, ")")) {
        if (depth-- == 0) return;
        ++i;
      } else if (is(i, "VALUES") || is(i, "VALUE")) {
        i = value_lists(i + 1, secret);
        begins = false;
      } else if (is(i, "SELECT")) {
        i = select_list(i + 1, secret);
        begins = false;
      } else {
        begins =
            is(i, "UNION") || is(i, "EXCEPT") || is(i, "INTERSECT") || (begins && (is(i, "ALL") || is(i, "DISTINCT")));
        ++i;
      }
    }
  }

  // (?, ?), (?, ?), also row(?, ?)
  std::size_t value_lists(std::size_t i, const std::vector<bool>& secret) {
    for (;;) {
      if (is(i, "ROW")) ++i;
      if (!is_symbol(i, "(")) return i;
      i = list(i + 1, secret) + 1;
      if (!is_symbol(i, ",")) return i;
      ++i;
    }
  }

  std::size_t select_list(std::size_t i, const std::vector<bool>& secret) {
    if (is(i, "DISTINCT") && is(i + 1, "ON") && is_symbol(i + 2, "(")) i = skip_brackets(i + 2);
    return list(i, secret);
  }

  // Expressions with commas between them; returns where they end.
  std::size_t list(std::size_t i, const std::vector<bool>& secret) {
    std::size_t depth = 0, column = 0;
    for (; i < tokens_.size(); ++i) {
      const auto& token = tokens_[i];
      if (token.is_symbol("(")) ++depth;
      if (token.is_symbol(")") && depth-- == 0) return i;
      if (depth == 0 && ends_list(token) && !is_symbol(i - 1, ".") && !is(i - 1, "DISTINCT")) return i;
      if (depth == 0 && token.is_symbol(",")) ++column;
      if (column < secret.size() && secret[column]) mark(i);
    }
    return i;
  }

  std::span<const Token> tokens_;
  const SecretNames& names_;
  std::vector<bool> marks_;
  bool tokens_are_fencing_ = false;
};

}  // namespace

SecretNames::SecretNames(const std::vector<std::string>& patterns) {
  for (const auto& pattern : patterns) patterns_.push_back(compile("name of a secret", pattern, true));
}
SecretNames::~SecretNames() = default;
SecretNames::SecretNames(SecretNames&&) noexcept = default;

bool SecretNames::match(std::string_view name) const {
  return base::names_a_secret(name) ||
         std::ranges::any_of(patterns_, [&](const auto& pattern) { return re2::RE2::FullMatch(name, *pattern); });
}

std::vector<bool> secret_values(std::span<const Token> significant, const SecretNames& names) {
  std::vector<Token> read;
  std::ranges::copy_if(significant, std::back_inserter(read), [](const Token& token) { return !is_sign(token); });
  const auto found = Marking(read, names).run();
  std::vector<bool> marks;
  auto next = found.begin();
  for (const auto& token : significant) marks.push_back(!is_sign(token) && *next++);
  return marks;
}

}  // namespace tidelock::sql::spy
