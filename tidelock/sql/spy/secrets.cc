#include "tidelock/sql/spy/secrets.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <utility>

#include "tidelock/base/ascii.h"
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

// What has an answer of yes or no, for which the values on its sides are no longer to be seen in it.
constexpr std::array<std::string_view, 14> kTestWords{"LIKE",    "ILIKE",  "IN",       "BETWEEN", "IS",
                                                      "SIMILAR", "REGEXP", "RLIKE",    "GLOB",    "MATCH",
                                                      "SOUNDS",  "MEMBER", "OPERATOR", "EXISTS"};
bool tests(const Token& token) {
  if (token.kind != TokenKind::symbol) return token.is_any(kTestWords);
  return token.text.find_first_of("=<>~!") != token.text.npos && token.text != ":=" && !token.text.starts_with("->") &&
         !token.text.starts_with("#>");
}

// Whatever operator stands between a name and a value ties the two together: all but casts, and the stars and @ that
// are none.
bool ties(const Token& token) {
  if (token.kind != TokenKind::symbol) return tests(token) && !token.is("EXISTS");
  if (token.text == "??") return true;
  return std::string_view("<>=!|&+-/%^~#@*:").find(token.text.front()) != std::string_view::npos &&
         token.text != "::" && token.text != "*" && token.text != "@" && token.text != ":";
}

// What ends a term, outside its brackets.
constexpr std::array<std::string_view, 20> kTermEnds{
    "OR",        "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER",     "LIMIT", "UNION", "EXCEPT",
    "INTERSECT", "ON",     "JOIN", "USING", "WHEN",  "THEN",   "RETURNING", "SET",   "ELSE",  "XOR"};
// Behind these a bracket holds no arguments.
constexpr std::array<std::string_view, 19> kNoFunctions{"AND", "OR",   "NOT",    "WHERE", "ON",    "WHEN", "HAVING",
                                                        "BY",  "IN",   "SELECT", "FROM",  "JOIN",  "AS",   "USING",
                                                        "SET", "THEN", "VALUES", "OVER",  "FILTER"};

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

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

// A part of a statement that has no comma, AND, OR, or keyword of a clause outside its brackets. CASE … END are
// brackets too.
struct Term {
  std::size_t open;  // The bracket that it stands in, or kNowhere.
  std::size_t begin, end;
  bool ties = false;   // It has an operator outside its brackets;
  bool tests = false;  // one with an answer of yes or no.
  bool seen = false;
};

// The terms of a statement, and which bracket belongs to which.
class Terms {
 public:
  explicit Terms(std::span<const Token> tokens)
      : tokens_(tokens), term_of_(tokens.size()), other_(tokens.size(), tokens.size()) {
    begin(0, kNowhere);
    for (std::size_t i = 0; i < tokens.size(); ++i) read(i);
    while (!open_.empty()) leave(tokens.size());
    at(here_).end = tokens.size();
  }

  Term& of(std::size_t token) { return terms_[term_of_[token]]; }
  // Of the bracket at `token` the other one; of one that is never closed the end.
  std::size_t other(std::size_t token) const { return other_[token]; }

 private:
  bool is(std::size_t i, std::string_view keyword) const {
    return tokens_[i].is(keyword) && (i == 0 || !tokens_[i - 1].is_symbol("."));
  }
  Term& at(std::size_t term) { return terms_[term]; }
  void begin(std::size_t token, std::size_t open) {
    here_ = terms_.size();
    between_ = false;
    terms_.push_back({open, token, token});
  }
  void enter(std::size_t i) {
    open_.push_back({i, here_, between_});
    begin(i + 1, i);
  }
  void leave(std::size_t i) {
    at(here_).end = i;
    const auto [open, term, between] = open_.back();
    open_.pop_back();
    other_[open] = i;
    if (i < tokens_.size()) other_[i] = open;
    here_ = term;
    between_ = between;
  }
  // Whether the closing bracket at `i` belongs to the innermost open one. A CASE without its END ends with the brackets
  // around it.
  bool closes(std::size_t i) {
    const auto is_open = [&](std::size_t open) {
      return tokens_[i].is_symbol(")")   ? tokens_[open].is_symbol("(")
             : tokens_[i].is_symbol("]") ? tokens_[open].is_symbol("[")
                                         : tokens_[open].is("CASE");
    };
    if (tokens_[i].is_symbol(")")) {
      while (!open_.empty() && !is_open(open_.back().token)) leave(i);
    }
    return !open_.empty() && is_open(open_.back().token);
  }

  void read(std::size_t i) {
    const auto& token = tokens_[i];
    if (token.is_symbol("(") || token.is_symbol("[") || is(i, "CASE")) {
      term_of_[i] = here_;
      return enter(i);
    }
    if (token.is_symbol(")") || token.is_symbol("]") || is(i, "END")) {
      if (closes(i)) leave(i);
    } else if (token.is_symbol(";")) {
      while (!open_.empty()) leave(i);
      at(here_).end = i;
      begin(i + 1, kNowhere);
    } else if (ends_term(i)) {
      at(here_).end = i;
      begin(i + 1, at(here_).open);
    } else {
      at(here_).ties |= ties(token);
      at(here_).tests |= tests(token);
      if (is(i, "BETWEEN")) between_ = true;
    }
    term_of_[i] = here_;
  }

  bool ends_term(std::size_t i) {
    if (tokens_[i].kind == TokenKind::symbol) return tokens_[i].is_symbol(",");
    if (is(i, "AND")) return !std::exchange(between_, false);
    if (i > 0 && (tokens_[i - 1].is_symbol(".") || tokens_[i - 1].is("DISTINCT"))) return false;  // is distinct from
    return tokens_[i].is_any(kTermEnds);
  }

  struct Open {
    std::size_t token, term;
    bool between;
  };
  std::span<const Token> tokens_;
  std::vector<Term> terms_;
  std::vector<std::size_t> term_of_;  // Of each token.
  std::vector<std::size_t> other_;
  std::vector<Open> open_;  // Brackets, with what they interrupt.
  std::size_t here_ = 0;
  bool between_ = false;  // The next AND belongs to a BETWEEN.
};

// Which of them are names of secrets.
std::vector<bool> secret_names(std::span<const Token> tokens, const SecretNames& names) {
  // In the tables of this library a token is a fencing token, which is for all to see.
  const bool fencing = std::ranges::any_of(
      tokens, [](const Token& token) { return is_name(token) && bare(token).starts_with("tidelock_"); });
  std::vector<bool> secret;
  for (const auto& token : tokens) {
    secret.push_back(is_name(token) && names.match(bare(token)) && !(fencing && bare(token) == "token"));
  }
  return secret;
}

class Marking {
 public:
  Marking(std::span<const Token> tokens, const SecretNames& names)
      : tokens_(tokens),
        names_(names),
        secret_(secret_names(tokens, names)),
        has_names_(std::ranges::find(secret_, true) != secret_.end()),
        terms_(has_names_ ? tokens : tokens.first(0)),
        marks_(tokens.size()),
        begun_(tokens.size() + 1),
        seen_(tokens.size()) {}

  std::vector<bool> run() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].is("IDENTIFIED")) identified(i + 1);
      if (tokens_[i].kind == TokenKind::string && holds_a_secret(tokens_[i].text)) mark(i);
      if (!has_names_) continue;
      if (tokens_[i].is("INSERT") || tokens_[i].is("REPLACE") || tokens_[i].is("INTO")) insert(i);
      if (secret_[i]) named(i);
    }
    std::ptrdiff_t covered = 0;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      covered += begun_[i];
      if (covered > 0) mark(i);
    }
    return std::move(marks_);
  }

 private:
  bool is_symbol(std::size_t i, std::string_view symbol) const {
    return i < tokens_.size() && tokens_[i].is_symbol(symbol);
  }
  bool is(std::size_t i, std::string_view keyword) const { return i < tokens_.size() && tokens_[i].is(keyword); }
  void mark(std::size_t i) {
    if (i < tokens_.size() && tokens_[i].is_value()) marks_[i] = true;
  }

  // All that is from `begin` up to `end`.
  void cover(std::size_t begin, std::size_t end) {
    if (begin >= end) return;
    ++begun_[begin];
    --begun_[end];
  }

  // A secret name at `i`: what is assigned to it, compared with it, or stands in its brackets or right behind it.
  void named(std::size_t i) {
    const auto next = i + 1;
    mark(next);
    if (is(next, "TO")) mark(next + 1);                             // set my.password to '…'
    if (is_symbol(next, ".") && !is_symbol(next + 2, "(")) return;  // It is that of a table.
    if (i > 0 && is(i - 1, "SET") && is(i, "PASSWORD") && is(next, "FOR")) return password_for(next + 1);
    if (is_symbol(next, "(") && !defines_table(next)) cover(next, terms_.other(next));
    if (is_alias(i)) cover(terms_.of(i).begin, i);
    for (auto at = i;;) {
      auto& term = terms_.of(at);
      if (std::exchange(term.seen, true)) return;
      if (term.ties) cover(term.begin, term.end);
      if (term.tests || term.open == kNowhere) return;
      at = term.open;
      if (seen_[at]) return;
      seen_[at] = true;
      if (defines_table(at) || column_list(at) || row_value(at)) return;
      if (has_arguments(at)) cover(at, terms_.other(at));
    }
  }

  // select '…' as password, select '…' password; not: from (…) as tokens
  bool is_alias(std::size_t i) {
    if (i == 0 || is_symbol(i + 1, "(") || (i + 1 < tokens_.size() && tokens_[i + 1].is_value())) return false;
    const auto begin = terms_.of(i).begin;
    if (begin > 0 && (is(begin - 1, "FROM") || is(begin - 1, "JOIN") || is(begin - 1, "USING"))) return false;
    return is(i - 1, "AS") || is(i - 1, "END") || is_symbol(i - 1, ")") || tokens_[i - 1].is_value();
  }

  // Whether what is in the bracket stands there together to become one value: arguments, the arms of a CASE, an array.
  bool has_arguments(std::size_t open) const {
    if (!is_symbol(open, "(")) return true;
    return open > 0 && is_name(tokens_[open - 1]) && !tokens_[open - 1].is_any(kNoFunctions) && !begins_query(open + 1);
  }
  bool begins_query(std::size_t i) const {
    while (is_symbol(i, "(")) ++i;
    return is(i, "SELECT") || is(i, "WITH") || is(i, "VALUES");
  }

  // create table [if not exists] a.b (…
  bool defines_table(std::size_t open) const {
    constexpr std::size_t kWordsMost = 8;
    for (auto i = open; i-- > 0 && open - i <= kWordsMost && (is_name(tokens_[i]) || is_symbol(i, "."));) {
      if (is(i, "TABLE")) return true;
    }
    return false;
  }

  // Which columns of the list in these brackets have a secret name.
  std::vector<bool> secret_columns(std::size_t open) {
    std::vector<bool> secret(1);
    for (auto i = open + 1; i < terms_.other(open); ++i) {
      if (is_symbol(i, ",") && terms_.of(i).open == open) secret.push_back(false);
      if (secret_[i]) secret.back() = true;
    }
    return secret;
  }

  // with u (id, password) as (values (?, ?)), create view u (id, password) as select ?, ?, and
  // (values (?, ?)) as u (id, password). False: it is no such list.
  bool column_list(std::size_t open) {
    if (open == 0 || !is_name(tokens_[open - 1]) || tokens_[open - 1].is_any(kTermEnds) ||
        tokens_[open - 1].is_any(kNoFunctions)) {
      return false;
    }
    const auto close = terms_.other(open);
    for (auto i = open + 1; i < close; ++i) {
      if (!is_name(tokens_[i]) && !is_symbol(i, ",")) return false;
    }
    if (auto i = close + 1; is(i, "AS")) {
      while (is(i + 1, "NOT") || is(i + 1, "MATERIALIZED")) ++i;
      if (!begins_query(i + 1)) return false;
      rows(is_symbol(i + 1, "(") ? i + 2 : i + 1, secret_columns(open));
      return true;
    }
    auto before = open - 1;
    if (before > 0 && is(before - 1, "AS")) --before;
    if (before == 0 || !is_symbol(before - 1, ")")) return false;
    const auto from = terms_.other(before - 1);
    if (begins_query(from + 1)) {
      rows(from + 1, secret_columns(open));
    } else {
      cover(from, before);
    }
    return true;
  }

  // (id, password) = (?, ?), (id, password) in ((?, ?), (?, ?)): each value stands where its name does. False: the
  // term is more than that.
  bool row_value(std::size_t open) {
    const auto& term = terms_.of(open);
    auto i = terms_.other(open) + 1;
    const bool many = is(i, "IN") || (is(i, "NOT") && is(i + 1, "IN"));
    if (term.begin != open || i >= tokens_.size() || (!many && !ties(tokens_[i]))) return false;
    i += is(i, "NOT") ? 2 : 1;
    if (is(i, "ROW")) ++i;
    if (!is_symbol(i, "(") || terms_.other(i) + 1 != term.end) return false;
    const auto secret = secret_columns(open);
    if (begins_query(i + 1)) {
      rows(i + 1, secret);
    } else if (!many) {
      list(i + 1, secret);
    } else if (is_symbol(i + 1, "(") || is(i + 1, "ROW")) {
      value_lists(i + 1, secret);
    } else {
      return false;
    }
    return true;
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
    const auto end = i < tokens_.size() ? terms_.of(i).end : i;
    while (i < end && !tokens_[i].is_symbol("=")) ++i;
    cover(i, end);
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

  // Behind the bracket that closes the one at `open`.
  std::size_t skip_brackets(std::size_t open) const { return std::min(terms_.other(open) + 1, tokens_.size()); }

  // INSERT [IGNORE] [INTO] table [PARTITION (p)] (a, b) …, REPLACE …, and INSERT (a, b) … of a MERGE
  void insert(std::size_t begin) {
    auto i = begin + 1;
    for (; i < tokens_.size() && (is_name(tokens_[i]) || tokens_[i].is_symbol(".")); ++i) {
      if (is(i, "VALUES") || is(i, "SELECT") || is(i, "USING")) return;
      if (is(i, "PARTITION") && !is(i - 1, "INTO") && is_symbol(i + 1, "(")) i = skip_brackets(i + 1) - 1;
    }
    if (!is_symbol(i, "(")) return;
    if (i == begin + 1 && !is(begin, "INSERT")) return;  // replace(a, b) is a function.
    const auto secret = secret_columns(i);
    if (std::ranges::find(secret, true) != secret.end()) rows(skip_brackets(i), secret);
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
  const std::vector<bool> secret_;  // The names that are.
  const bool has_names_;
  Terms terms_;  // None without such names.
  std::vector<bool> marks_;
  std::vector<std::ptrdiff_t> begun_;  // How many ranges to mark begin there, less those that end.
  std::vector<bool> seen_;             // Brackets that were looked at.
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

bool mentions_a_secret(std::span<const Token> significant, const SecretNames& names) {
  const auto secret = secret_names(significant, names);
  return std::ranges::find(secret, true) != secret.end();
}

bool words_mention_a_secret(std::string_view words, const SecretNames& names) {
  static constexpr std::string_view kOfSqlite = "unrecognized token";  // What it calls a piece of the statement.
  if (words.starts_with(kOfSqlite)) words.remove_prefix(kOfSqlite.size());
  const auto in_word = [](char c) {
    return base::ascii::is_letter_or_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
  };
  for (std::size_t at = 0; at < words.size(); ++at) {
    const auto begin = at;
    while (at < words.size() && in_word(words[at])) ++at;
    if (at > begin && names.match(words.substr(begin, at - begin))) return true;
  }
  return false;
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
