#include "tidelock/sql/backends/postgres/lex.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"

namespace tidelock::sql::postgres {
namespace {

using base::ascii::lower;

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

// A word, or a name in quotes, as PostgreSQL knows it; empty for anything else.
std::string name_of(const Token& token) {
  if (token.kind == TokenKind::word) return lower(token.text);
  if (token.kind != TokenKind::quoted_name) return {};
  std::string name;
  for (std::size_t i = 1; i + 1 < token.text.size(); ++i) {
    name += token.text[i];
    if (token.text[i] == '"') ++i;  // It is doubled.
  }
  return name;
}

// Keeps track of `create … begin atomic … end`, in which semicolons end no statement.
class AtomicBody {
 public:
  void see(const Token& token) {
    const auto word = token.kind == TokenKind::word ? lower(token.text) : std::string();
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

std::vector<Token> tokens(std::string_view sql) {
  std::vector<Token> found;
  Lexer lexer(sql, kLexis);
  try {
    while (const auto token = lexer.next()) found.push_back(*token);
  } catch (const Error&) {
    const auto begin = found.empty() ? 0 : found.back().end();
    found.push_back({TokenKind::string, begin, sql.substr(begin)});
  }
  return found;
}

std::size_t count_parameters(std::string_view sql) {
  std::size_t most = 0;
  const auto all = tokens(sql);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (!all[i].is('$') || all[i + 1].kind != TokenKind::number || all[i + 1].begin != all[i].end()) continue;
    std::size_t number = 0;
    std::from_chars(all[i + 1].text.data(), all[i + 1].text.data() + all[i + 1].text.size(), number);
    most = std::max(most, number);
  }
  return most;
}

std::vector<std::string_view> statements(std::string_view script) {
  std::vector<std::string_view> found;
  AtomicBody body;
  std::size_t begin = script.npos;
  for (const auto& token : tokens(script)) {
    if (token.is(';') && !body.is_open()) {
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
  const auto begin = std::ranges::find_if_not(all, [](const Token& token) { return token.is('('); });
  const auto first = begin == all.end() ? std::string() : lower(begin->text);
  const bool changes_rows = is_one_of(first, {"insert", "update", "delete", "merge"});
  const Effects anything{.is_about_rows = changes_rows || is_one_of(first, {"select", "values", "table", "with"})};
  if (!anything.is_about_rows || begin != all.begin()) return anything;
  Effects seen{.may_write = changes_rows, .may_leave_state = false, .is_about_rows = true};
  bool names_a_table = false;  // The word before this one says that a table's name comes, which '(' may follow.
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& token = all[i];
    const bool called = i + 1 < all.size() && all[i + 1].is('(');
    if (token.kind == TokenKind::quoted_name && called && !names_a_table) return anything;
    if (token.kind != TokenKind::word) continue;
    const auto word = lower(token.text);
    // Data-modifying WITH, and SELECT INTO with its table, which may be temporary.
    if (is_one_of(word, {"insert", "update", "delete", "merge"})) seen.may_write = true;
    if (word == "into" && first != "insert" && first != "merge" && first != "with") return anything;
    if (word == "pg_notify" && called) seen.may_write = true;  // Others may hear it, though it leaves nothing behind.
    if (is_one_of(word, {"nextval", "currval", "lastval", "pg_temp"})) return anything;
    const bool defines =
        i + 1 < all.size() && i > 0 && is_one_of(lower(all[i - 1].text), {"with", "recursive", "as", ","});
    if (called && !names_a_table && !defines && !is_harmless(word)) return anything;
    names_a_table = word == "into";
  }
  return seen;
}

namespace {

// `from` is the '(' of a call: whether its last argument is the word `true`.
bool ends_with_true(const std::vector<Token>& all, std::size_t from) {
  std::size_t depth = 0;
  for (auto i = from; i < all.size(); ++i) {
    if (all[i].is('(')) ++depth;
    if (all[i].is(')') && --depth == 0) return all[i - 1].is("TRUE");
  }
  return false;
}

std::string_view kept_by_call(const std::vector<Token>& all, std::size_t at) {
  const auto name = name_of(all[at]);
  if (name.starts_with("pg_advisory_lock") || name.starts_with("pg_try_advisory_lock") ||
      name.starts_with("pg_advisory_unlock")) {
    return "an advisory lock of the session (pg_advisory_xact_lock() is one of the transaction)";
  }
  if (name == "set_config" && !ends_with_true(all, at + 1)) {
    return "a setting of the session (set_config(…, true) is one of the transaction)";
  }
  return {};
}

// A statement by its words, from where it begins: behind brackets, and behind what EXPLAIN is told.
class Words {
 public:
  explicit Words(const std::vector<Token>& all) : all_(all) {
    while (is(0, "(")) ++begin_;
    if (!is(0, "explain")) return;
    ++begin_;
    if (is(0, "(")) {
      while (begin_ < all_.size() && !all_[begin_].is(')')) ++begin_;
      ++begin_;
    }
    while (is(0, "analyze") || is(0, "analyse") || is(0, "verbose")) ++begin_;
  }

  // The n-th, in lower case; a symbol is one as well.
  std::string operator[](std::size_t n) const { return begin_ + n < all_.size() ? lower(all_[begin_ + n].text) : ""; }
  bool is(std::size_t n, std::string_view word) const { return (*this)[n] == word; }
  std::size_t size() const { return all_.size() - std::min(begin_, all_.size()); }
  bool is_temporary(std::size_t n) const { return is(n, "temp") || is(n, "temporary"); }
  // The n-th begins a name in the schema of the session's temporary tables.
  bool is_in_temporary_schema(std::size_t n) const {
    if (n + 1 >= size() || !is(n + 1, ".")) return false;
    const auto schema = name_of(all_[begin_ + n]);
    return schema == "pg_temp" || schema.starts_with("pg_temp_");
  }
  bool has(std::initializer_list<std::string_view> row) const {
    for (std::size_t n = 0; n + row.size() <= size(); ++n) {
      if (std::ranges::all_of(row, [&, at = n](std::string_view word) mutable { return is(at++, word); })) return true;
    }
    return false;
  }
  bool is_name(std::size_t n) const {
    if (n >= size()) return false;
    const auto kind = all_[begin_ + n].kind;
    return kind == TokenKind::quoted_name ||
           (kind == TokenKind::word &&
            !is_one_of((*this)[n], {"from", "where", "group", "having", "window", "union", "intersect", "except",
                                    "order", "limit", "offset", "fetch", "for"}));
  }

 private:
  const std::vector<Token>& all_;
  std::size_t begin_ = 0;
};

// create [or replace] [local] temporary …, or anything in the schema of what is temporary, or that is made of it.
bool creates_temporary(const Words& words) {
  if (!words.is(0, "create")) return false;
  std::size_t n = words.is(1, "or") ? 3 : 1;
  if (words.is(n, "local") || words.is(n, "global")) ++n;
  if (words.is_temporary(n)) return true;
  for (; n < words.size(); ++n) {
    if (words.is_in_temporary_schema(n)) return true;
  }
  return false;
}

// select … into temp t. A table may be called temp, too.
bool selects_into_temporary(const Words& words) {
  if (!is_one_of(words[0], {"select", "with", "values", "table"})) return false;
  for (std::size_t n = 1; n < words.size(); ++n) {
    if (!words.is(n, "into") || words.is(n - 1, "insert") || words.is(n - 1, "merge")) continue;
    if (words.is_temporary(n + 1) && words.is_name(n + 2)) return true;
    if (words.is_in_temporary_schema(words.is(n + 1, "table") ? n + 2 : n + 1)) return true;
  }
  return false;
}

}  // namespace

std::string_view kept_in_session(std::string_view sql) {
  const auto all = tokens(sql);
  const Words words(all);
  const auto first = words[0];
  if (first == "set" && !is_one_of(words[1], {"local", "transaction", "constraints"})) {
    return "a setting of the session (`set local` is one of the transaction)";
  }
  if (is_one_of(first, {"listen", "unlisten"})) return "listening";
  if (is_one_of(first, {"prepare", "execute"})) return "a prepared statement";
  if (is_one_of(first, {"reset", "load", "discard"})) return "what the session has loaded or set";
  if (first == "declare" && words.has({"with", "hold"})) return "a cursor with hold";
  if ((creates_temporary(words) && !words.has({"on", "commit", "drop"})) || selects_into_temporary(words)) {
    return "a temporary table (`on commit drop` makes it one of the transaction)";
  }
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (!all[i + 1].is('(')) continue;
    if (const auto kept = kept_by_call(all, i); !kept.empty()) return kept;
  }
  return {};
}

}  // namespace tidelock::sql::postgres
