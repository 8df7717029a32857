#include "tidelock/sql/backends/postgres/lex.h"

#include <algorithm>
#include <initializer_list>

#include "tidelock/base/ascii.h"

namespace tidelock::sql::postgres {
namespace {

using base::ascii::is_digit;
using base::ascii::is_space;
using base::ascii::lower;

bool begins_word(char c) { return base::ascii::is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80; }
bool is_word(char c) { return begins_word(c) || is_digit(c) || c == '$'; }

class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  std::vector<Token> run() {
    while (at_ < sql_.size()) step();
    return std::move(tokens_);
  }

 private:
  using Kind = Token::Kind;

  char peek(std::size_t ahead) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  void add(Kind kind, std::size_t end) {
    end = std::min(end, sql_.size());
    tokens_.push_back({kind, sql_.substr(at_, end - at_), at_});
    at_ = end;
  }

  void step() {
    const char c = sql_[at_];
    if (is_space(c)) {
      ++at_;
    } else if (c == '-' && peek(1) == '-') {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
    } else if (c == '/' && peek(1) == '*') {
      skip_comment();
    } else if (c == '\'') {
      add(Kind::string, quoted_end(at_, c, false));
    } else if (c == '"') {
      add(Kind::quoted_name, quoted_end(at_, c, false));
    } else if ((c == 'E' || c == 'e') && peek(1) == '\'') {
      add(Kind::string, quoted_end(at_ + 1, '\'', true));
    } else if (c == '$') {
      dollar();
    } else if (begins_word(c) || is_digit(c)) {
      auto end = at_;
      while (end < sql_.size() && is_word(sql_[end])) ++end;
      add(Kind::word, end);
    } else {
      add(Kind::symbol, at_ + 1);
    }
  }

  void skip_comment() {
    std::size_t depth = 0;
    do {
      if (sql_[at_] == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (sql_[at_] == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < sql_.size());
  }

  // A doubled quote is part of it.
  std::size_t quoted_end(std::size_t begin, char quote, bool backslash) const {
    for (auto at = begin + 1; at < sql_.size(); ++at) {
      if (backslash && sql_[at] == '\\') {
        ++at;
      } else if (sql_[at] == quote) {
        if (at + 1 >= sql_.size() || sql_[at + 1] != quote) return at + 1;
        ++at;
      }
    }
    return sql_.size();
  }

  void dollar() {
    auto end = at_ + 1;
    if (is_digit(peek(1))) {
      while (end < sql_.size() && is_digit(sql_[end])) ++end;
      return add(Kind::parameter, end);
    }
    while (end < sql_.size() && sql_[end] != '$' && is_word(sql_[end])) ++end;
    if (end >= sql_.size() || sql_[end] != '$') return add(Kind::symbol, at_ + 1);
    const auto tag = sql_.substr(at_, end + 1 - at_);
    const auto close = sql_.find(tag, end + 1);
    add(Kind::string, close == sql_.npos ? sql_.size() : close + tag.size());
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

// Words before '(' that call nothing, and functions that leave nothing behind.
constexpr std::string_view kHarmless =
    " abs age all and any array array_agg as avg between bool_and bool_or by cast ceil ceiling char"
    " char_length clock_timestamp coalesce concat concat_ws conflict count cube date date_part date_trunc"
    " decimal dense_rank distinct else every except exists exp extract filter first_value floor from"
    " generate_series greatest group having ilike in initcap intersect is join json_agg json_build_object"
    " jsonb_agg jsonb_build_object lag last_value lateral lead least left length like limit ln log lower"
    " lpad ltrim make_date max md5 min mod not now nullif numeric octet_length offset on or over partition"
    " pg_notify position power rank repeat replace returning right rollup round row row_number rpad rtrim"
    " select set sign some split_part sqrt starts_with string_agg substr substring sum then to_char trim"
    " trunc union upper using values varchar when where window with within"
    " ";

bool is_harmless(std::string_view word) { return kHarmless.find(" " + std::string(word) + " ") != kHarmless.npos; }

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool is_symbol(const Token& token, char c) { return token.kind == Token::Kind::symbol && token.text[0] == c; }

// Keeps track of `create … begin atomic … end`, in which semicolons end no statement.
class AtomicBody {
 public:
  void see(const Token& token) {
    const auto word = token.kind == Token::Kind::word ? lower(token.text) : std::string();
    if (first_.empty()) first_ = word.empty() ? "-" : word;
    if (depth_ == 0) {
      if (word == "atomic" && before_ == "begin" && first_ == "create") depth_ = 1;
    } else if (word == "case") {
      ++depth_;
    } else if (word == "end") {
      --depth_;
    }
    before_ = word;
  }
  bool is_open() const { return depth_ > 0; }

 private:
  std::string first_;
  std::string before_;
  int depth_ = 0;
};

}  // namespace

std::vector<Token> tokens(std::string_view sql) { return Scanner(sql).run(); }

std::vector<std::string_view> statements(std::string_view script) {
  std::vector<std::string_view> found;
  AtomicBody body;
  std::size_t begin = script.npos;
  for (const auto& token : tokens(script)) {
    if (is_symbol(token, ';') && !body.is_open()) {
      if (begin != script.npos) found.push_back(script.substr(begin, token.begin - begin));
      begin = script.npos;
      body = {};
      continue;
    }
    if (begin == script.npos) begin = token.begin;
    body.see(token);
  }
  if (begin != script.npos) found.push_back(script.substr(begin));
  return found;
}

Effects effects(std::string_view sql) {
  const auto all = tokens(sql);
  if (all.empty() || all.front().kind != Token::Kind::word) return {};
  const auto first = lower(all.front().text);
  Effects seen{.may_write = false, .may_leave_state = false};
  if (is_one_of(first, {"insert", "update", "delete", "merge"})) {
    seen.may_write = true;
  } else if (!is_one_of(first, {"select", "values", "table", "with"})) {
    return {};
  }
  bool names_a_table = false;  // The word before this one says that a table's name comes, which '(' may follow.
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& token = all[i];
    const bool called = i + 1 < all.size() && is_symbol(all[i + 1], '(');
    if (token.kind == Token::Kind::quoted_name && called && !names_a_table) return {};
    if (token.kind != Token::Kind::word) continue;
    const auto word = lower(token.text);
    // Data-modifying WITH, and SELECT INTO with its table, which may be temporary.
    if (is_one_of(word, {"insert", "update", "delete", "merge"})) seen.may_write = true;
    if (word == "into" && first != "insert" && first != "merge" && first != "with") return {};
    if (word == "pg_notify" && called) seen.may_write = true;  // Others may hear it, though it leaves nothing behind.
    if (is_one_of(word, {"nextval", "currval", "lastval", "pg_temp"})) return {};
    const bool defines =
        i + 1 < all.size() && i > 0 && is_one_of(lower(all[i - 1].text), {"with", "recursive", "as", ","});
    if (called && !names_a_table && !defines && !is_harmless(word)) return {};
    names_a_table = word == "into";
  }
  return seen;
}

namespace {

// `from` is the '(' of a call: whether its last argument is the word `true`.
bool ends_with_true(const std::vector<Token>& all, std::size_t from) {
  std::size_t depth = 0;
  for (auto i = from; i < all.size(); ++i) {
    if (is_symbol(all[i], '(')) ++depth;
    if (is_symbol(all[i], ')') && --depth == 0) return lower(all[i - 1].text) == "true";
  }
  return false;
}

std::string_view kept_by_call(const std::vector<Token>& all, std::size_t at) {
  const auto name = lower(all[at].text);
  if (name.starts_with("pg_advisory_lock") || name.starts_with("pg_try_advisory_lock") ||
      name.starts_with("pg_advisory_unlock")) {
    return "an advisory lock of the session (pg_advisory_xact_lock() is one of the transaction)";
  }
  if (name == "set_config" && !ends_with_true(all, at + 1)) {
    return "a setting of the session (set_config(…, true) is one of the transaction)";
  }
  return {};
}

}  // namespace

std::string_view kept_in_session(std::string_view sql) {
  const auto all = tokens(sql);
  const auto word = [&](std::size_t i) {
    return i < all.size() && all[i].kind == Token::Kind::word ? lower(all[i].text) : std::string();
  };
  const auto has = [&](std::initializer_list<std::string_view> row) {
    for (std::size_t i = 0; i + row.size() <= all.size(); ++i) {
      if (std::ranges::all_of(row, [&, at = i](std::string_view wanted) mutable { return word(at++) == wanted; })) {
        return true;
      }
    }
    return false;
  };
  const auto first = word(0);
  const auto second = word(1);
  if (first == "set" && !is_one_of(second, {"local", "transaction", "constraints"})) {
    return "a setting of the session (`set local` is one of the transaction)";
  }
  if (is_one_of(first, {"listen", "unlisten"})) return "listening";
  if (is_one_of(first, {"prepare", "execute"})) return "a prepared statement";
  if (is_one_of(first, {"reset", "load", "discard"})) return "what the session has loaded or set";
  if (first == "declare" && has({"with", "hold"})) return "a cursor with hold";
  const bool names_temporary = (first == "create" || first == "select" || first == "with") &&
                               (has({"temp"}) || has({"temporary"})) &&
                               (first == "create" ? is_one_of(second, {"temp", "temporary", "or", "local", "global"})
                                                  : has({"into", "temp"}) || has({"into", "temporary"}));
  if (names_temporary && !has({"on", "commit", "drop"})) {
    return "a temporary table (`on commit drop` makes it one of the transaction)";
  }
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i].kind != Token::Kind::word || !is_symbol(all[i + 1], '(')) continue;
    if (const auto kept = kept_by_call(all, i); !kept.empty()) return kept;
  }
  return {};
}

}  // namespace tidelock::sql::postgres
