#include "tidelock/sql/backends/postgres/lex.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"

namespace tidelock::sql::postgres {
namespace {

using base::ascii::lower;

// Words before '(' that call nothing: the grammar keeps them from being the name of a function.
constexpr std::string_view kSyntax =
    " all and any array as between case cast char coalesce decimal distinct else except exists extract from greatest"
    " group having in intersect join lateral least limit not nullif numeric offset on or position returning row select"
    " some substring then trim union using values varchar when where window with ";

// The same for words that may be one elsewhere, behind the word or symbol with which they are none.
constexpr std::pair<std::string_view, std::string_view> kSyntaxBehind[] = {
    {"by", "group"},      {"by", "order"},        {"by", "partition"},     {"conflict", "on"},
    {"cube", "by"},       {"filter", ")"},        {"over", ")"},           {"rollup", "by"},
    {"sets", "grouping"}, {"materialized", "as"}, {"materialized", "not"},
};

// Functions that leave nothing behind.
constexpr std::string_view kHarmless =
    " abs age array_agg avg bool_and bool_or ceil ceiling char_length clock_timestamp concat concat_ws count date"
    " date_part date_trunc dense_rank every exp first_value floor generate_series initcap json_agg json_build_object"
    " jsonb_agg jsonb_build_object last_value left length ln lower lpad ltrim make_date max md5 min mod now"
    " octet_length pg_is_in_recovery pg_notify power rank right round row_number rpad rtrim split_part sqrt "
    "starts_with string_agg substr"
    " sum to_char trunc upper ";

// The same, of names that a database likes to have for functions of its own: one of them, with arguments of other
// types, is called by the name alone.
constexpr std::string_view kHarmlessInCatalog = " lag lead log repeat replace sign ";

bool is_in(std::string_view list, std::string_view word) {
  return list.find(" " + std::string(word) + " ") != list.npos;
}

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

namespace {

// The ')' of the '(' there; the end where there is none.
std::size_t closing(const std::vector<Token>& all, std::size_t from) {
  std::size_t depth = 0;
  for (auto i = from; i < all.size(); ++i) {
    if (all[i].is('(')) ++depth;
    if (all[i].is(')') && --depth == 0) return i;
  }
  return all.size();
}

// Insert, update and the like, not `for update`.
bool changes_rows_at(const std::vector<Token>& all, std::size_t at) {
  if (all[at].is("UPDATE")) return at == 0 || !(all[at - 1].is("FOR") || all[at - 1].is("KEY"));
  return all[at].is("INSERT") || all[at].is("DELETE") || all[at].is("MERGE");
}

// Of a SET or RESET: whether what only reads may write from there on. What else there is to a transaction may be set.
bool sets_access_at(const std::vector<Token>& all, std::size_t at) {
  if (is_one_of(name_of(all[at]), {"transaction_read_only", "default_transaction_read_only"})) return true;
  return at > 0 && all[at].is("WRITE") && all[at - 1].is("READ");
}

// What the word at `at`, which '(' follows, is there.
class BeforeBracket {
 public:
  BeforeBracket(const std::vector<Token>& all, std::size_t at)
      : all_(all), at_(at), word_(lower(all[at].text)), before_(back(1)) {}

  bool is_syntax() const {
    return before_ != "." &&
           (is_in(kSyntax, word_) || std::ranges::find(kSyntaxBehind, std::pair<std::string_view, std::string_view>(
                                                                          word_, before_)) != std::end(kSyntaxBehind));
  }
  // The name of something with its columns: `as x (a)`, `with x (a) as (…)`; in a list of WITH also `, y (b) as (…)`.
  bool is_defined(bool in_list_of_with) const {
    if (before_ == "as" || before_ == "with" || (before_ == "recursive" && back(2) == "with")) return true;
    if (before_ != "," || !in_list_of_with) return false;
    const auto behind = closing(all_, at_ + 1) + 1;
    return behind < all_.size() && all_[behind].is("AS");
  }
  // By its name alone, or as one of the server's own.
  bool is_harmless_call() const {
    if (before_ != ".") return is_in(kHarmless, word_);
    return at_ >= 2 && name_of(all_[at_ - 2]) == "pg_catalog" &&
           (is_in(kHarmless, word_) || is_in(kHarmlessInCatalog, word_));
  }

 private:
  std::string back(std::size_t n) const { return at_ >= n ? lower(all_[at_ - n].text) : std::string(); }

  const std::vector<Token>& all_;
  const std::size_t at_;
  const std::string word_;
  const std::string before_;
};

}  // namespace

Effects effects(std::string_view sql) {
  const auto all = tokens(sql);
  const auto begin = std::ranges::find_if_not(all, [](const Token& token) { return token.is('('); });
  const auto first = begin == all.end() ? std::string() : lower(begin->text);
  Effects anything{
      .is_about_rows = is_one_of(first, {"insert", "update", "delete", "merge", "select", "values", "table", "with"}),
      .may_commit = is_one_of(first, {"call", "do"})};
  for (std::size_t i = 0; i < all.size(); ++i) {
    anything.changes_rows = anything.changes_rows || changes_rows_at(all, i);
    anything.sets_access = anything.sets_access || (is_one_of(first, {"set", "reset"}) && sets_access_at(all, i));
  }
  if (!anything.is_about_rows || begin != all.begin()) return anything;
  Effects seen = anything;
  seen.may_write = seen.may_leave_state = false;
  bool names_a_table = false;  // Behind `into`: its name, which '(' may follow.
  bool defines = first == "with";
  std::size_t depth = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& token = all[i];
    if (token.is('(')) ++depth;
    if (token.is(')') && depth > 0) --depth;
    const bool called = i + 1 < all.size() && all[i + 1].is('(');
    const bool of_a_table = names_a_table;
    names_a_table = token.is("INTO") || (of_a_table && (token.is('.') || (i + 1 < all.size() && all[i + 1].is('.'))));
    if (token.kind == TokenKind::quoted_name && called && !of_a_table) return anything;
    if (token.kind != TokenKind::word) continue;
    const auto word = lower(token.text);
    if (is_one_of(word, {"insert", "update", "delete", "merge"})) seen.may_write = true;
    // SELECT INTO makes a table, which may be temporary.
    if (word == "into" && (i == 0 || !(all[i - 1].is("INSERT") || all[i - 1].is("MERGE")))) return anything;
    if (word == "pg_notify" && called) seen.may_write = true;  // Others may hear it, though it leaves nothing behind.
    if (is_one_of(word, {"nextval", "currval", "lastval", "pg_temp"})) return anything;
    if (depth == 0 && is_one_of(word, {"select", "insert", "update", "delete", "merge", "values", "table"})) {
      defines = false;
    }
    if (!called || of_a_table) continue;
    const BeforeBracket what(all, i);
    if (!what.is_syntax() && !what.is_defined(defines && depth == 0) && !what.is_harmless_call()) return anything;
  }
  return seen;
}

namespace {

// `from` is the '(' of a call: whether its last argument is the word `true`.
bool ends_with_true(const std::vector<Token>& all, std::size_t from) {
  const auto end = closing(all, from);
  return end < all.size() && all[end - 1].is("TRUE");
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
