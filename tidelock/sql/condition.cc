// Engines have hundreds of words that are no names somewhere, and each engine has others. So a name is known by where
// it stands: between what can come before a column and what can come behind one.
#include "tidelock/sql/condition.h"

#include <initializer_list>
#include <string_view>

namespace tidelock::sql {
namespace {

using Keywords = std::initializer_list<std::string_view>;

// What a column may stand behind. None is taken for one itself.
const Keywords kBeforeColumn = {
    "AND",    "OR",       "XOR",  "NOT",   "CASE",    "WHEN", "THEN",   "ELSE",   "LIKE",    "IN",        "ILIKE",
    "REGEXP", "RLIKE",    "GLOB", "MATCH", "BETWEEN", "DIV",  "MOD",    "FROM",   "JOIN",    "TABLE",     "BY",
    "SELECT", "DISTINCT", "ALL",  "WHERE", "HAVING",  "TO",   "ESCAPE", "BINARY", "PLACING", "SYMMETRIC", "ASYMMETRIC"};
// What may stand behind a column.
const Keywords kBehindColumn = {
    "AND",      "OR",      "XOR",     "NOT",    "WHEN",      "THEN",    "ELSE",   "END",    "IS",
    "ISNULL",   "NOTNULL", "IN",      "LIKE",   "ILIKE",     "REGEXP",  "RLIKE",  "GLOB",   "MATCH",
    "SIMILAR",  "SOUNDS",  "BETWEEN", "DIV",    "MOD",       "COLLATE", "AT",     "ESCAPE", "OVERLAPS",
    "OPERATOR", "FROM",    "PLACING", "USING",  "WHERE",     "GROUP",   "HAVING", "ORDER",  "LIMIT",
    "OFFSET",   "FETCH",   "UNION",   "EXCEPT", "INTERSECT", "JOIN",    "INNER",  "LEFT",   "RIGHT",
    "FULL",     "CROSS",   "NATURAL", "ON",     "AS",        "ASC",     "DESC"};
// Values, and the table that has no columns. `user` is one on some engines.
const Keywords kValues = {"TRUE",        "FALSE",        "NULL",           "CURRENT_DATE",   "CURRENT_TIME",
                          "LOCALTIME",   "CURRENT_USER", "SESSION_USER",   "LOCALTIMESTAMP", "CURRENT_TIMESTAMP",
                          "UTC_DATE",    "UTC_TIME",     "CURRENT_ROLE",   "UTC_TIMESTAMP",  "CURRENT_SCHEMA",
                          "SYSTEM_USER", "DUAL",         "CURRENT_CATALOG"};
// Of a type of several words: double precision, timestamp with time zone.
const Keywords kTypeParts = {"PRECISION", "VARYING", "WITH", "WITHOUT", "TIME", "ZONE", "UNSIGNED", "SIGNED"};
// interval day to second
const Keywords kUnits = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "TO"};
// Functions whose first, or last, argument is a keyword.
const Keywords kTakeUnit = {"EXTRACT", "TIMESTAMPDIFF", "TIMESTAMPADD", "GET_FORMAT"};
const Keywords kTakeType = {"CONVERT", "NORMALIZE"};

class Condition {
 public:
  Condition(std::span<const Token> tokens, const Lexis& lexis) : tokens_(tokens), lexis_(lexis) {}

  bool names_something() {
    while (at_ < tokens_.size()) {
      if (is(0, "CURRENT") && is(1, "OF")) return true;  // The row of a cursor.
      if (skip_type() || skip_variable() || skip_zone() || skip_operator() || skip_function()) continue;
      if (is_name()) return true;
      ++at_;
    }
    return false;
  }

 private:
  // Those around the one that is looked at; null outside.
  const Token* near(std::ptrdiff_t distance) const {
    const auto at = static_cast<std::ptrdiff_t>(at_) + distance;
    return at < 0 || at >= std::ssize(tokens_) ? nullptr : &tokens_[static_cast<std::size_t>(at)];
  }
  bool is(std::ptrdiff_t distance, char symbol) const {
    const auto* const token = near(distance);
    return token != nullptr && token->is(symbol);
  }
  bool is(std::ptrdiff_t distance, std::string_view keyword) const {
    const auto* const token = near(distance);
    return token != nullptr && token->is(keyword);
  }
  bool is_any(std::ptrdiff_t distance, Keywords keywords) const {
    const auto* const token = near(distance);
    return token != nullptr && token->is_any(keywords);
  }
  bool is_identifier(std::ptrdiff_t distance) const {
    const auto* const token = near(distance);
    return token != nullptr && (token->kind == TokenKind::word || token->kind == TokenKind::quoted_name);
  }
  // The last token of the name that begins here: a.b.c
  std::ptrdiff_t end_of_name() const {
    std::ptrdiff_t last = 0;
    while (is(last + 1, '.') && is_identifier(last + 2)) last += 2;
    return last;
  }
  // From the bracket that opens here to behind the one that closes.
  void skip_brackets() {
    std::size_t depth = 0;
    do {
      if (is(0, '(')) ++depth;
      if (is(0, ')')) --depth;
      ++at_;
    } while (depth > 0 && at_ < tokens_.size());
  }

  // Of a cast, or a collation: with its schema. What AS names otherwise is no column either.
  bool skip_type() {
    const bool is_cast = is(0, ':') && is(1, ':');
    if (!is_cast && !is(0, "AS") && !is(0, "COLLATE")) return false;
    at_ += is_cast ? 2 : 1;
    if (!is_identifier(0)) return true;
    const auto& parts = is(0, "INTERVAL") ? kUnits : kTypeParts;
    at_ += static_cast<std::size_t>(end_of_name()) + 1;
    while (is_any(0, parts)) ++at_;
    if (is(0, '(')) skip_brackets();  // numeric(10, 2), map(int, int)
    return true;
  }
  bool skip_variable() {
    if (!lexis_.at_variables || !is(0, '@')) return false;
    while (is(0, '@') || is(1, '.')) at_ += is(0, '@') ? 1 : 2;
    ++at_;
    return true;
  }
  bool skip_zone() {
    if (!is(0, "AT") || !is(1, "TIME")) return false;
    at_ += 3;
    return true;
  }
  // operator(pg_catalog.=)
  bool skip_operator() {
    if (!is(0, "OPERATOR") || !is(1, '(')) return false;
    ++at_;
    skip_brackets();
    return true;
  }
  // Its name; what it is given is looked at.
  bool skip_function() {
    if (!is_identifier(0)) return false;
    const auto last = end_of_name();
    if (!is(last + 1, '(')) return false;
    const bool makes_columns =
        is_any(-1, {"WITH", "RECURSIVE"}) || (is(-1, ')') && !is_any(0, kBeforeColumn) && !is_any(0, kBehindColumn));
    if (makes_columns) {  // Of a subquery: with x(a) as …, (values (1)) x(a)
      at_ += static_cast<std::size_t>(last) + 1;
      skip_brackets();
      return true;
    }
    const bool takes_unit = last == 0 && is_any(0, kTakeUnit);
    at_ += static_cast<std::size_t>(last) + (takes_unit ? 3 : 2);
    return true;
  }

  bool is_name() const {
    if (!is_identifier(0) || is_any(0, kBeforeColumn) || is_any(0, kValues)) return false;
    if (is(0, "USER") && lexis_.user_is_value) return false;
    if (is(0, "INTERVAL") && lexis_.at_variables) return false;  // MariaDB's: interval -1 day
    if (is(0, "ARRAY") && is(1, '[')) return false;
    if (is_any(0, {"BOTH", "LEADING", "TRAILING"}) && is(-1, '(') && is(1, "FROM")) return false;
    if (is_any(0, {"ROWS", "RANGE", "GROUPS"}) && is(-1, '(') && is(-2, "OVER")) return false;
    if (is(-1, ',') && is(1, ')') && is_argument_of(kTakeType)) return false;
    return begins_operand() && ends_operand();
  }
  bool begins_operand() const {
    const auto* const before = near(-1);
    if (before == nullptr) return true;
    if (before->kind == TokenKind::symbol)
      return std::string_view(")]}.\\").find(before->text) == std::string_view::npos;
    if (before->is("NOT")) return !is(-2, "IS");     // is not normalized
    if (before->is("TO")) return is(-2, "SIMILAR");  // year to month
    return before->is("INTERVAL") || before->is_any(kBeforeColumn);
  }
  bool ends_operand() const {
    const auto last = end_of_name();
    const auto* const behind = near(last + 1);
    if (behind == nullptr) return true;
    if (behind->is('{')) return false;               // map {…}
    if (behind->is(':')) return is(last + 2, ':');   // {key: …}, and a cast
    if (behind->is('=')) return !is(last + 2, '>');  // days => 1
    if (behind->is('&') && is(0, "U") && last == 0) return !is_escaped();
    if (behind->kind == TokenKind::symbol) return true;
    if (behind->kind != TokenKind::word) return false;       // date '2024-02-29'
    if (is(-1, "FROM") && behind->is("FROM")) return false;  // rows from (…)
    const bool has_alias = is_any(-1, {"FROM", "JOIN"}) && !behind->is_any({"WITH", "WITHOUT", "TO"});
    return has_alias || is(-1, "INTERVAL") || behind->is_any(kBehindColumn);
  }
  // U&'…' and U&"…"
  bool is_escaped() const {
    const auto* const text = near(2);
    return text != nullptr && text->begin == near(0)->end() + 1 && text->kind != TokenKind::word;
  }
  // The function in whose brackets it stands.
  bool is_argument_of(Keywords functions) const {
    std::size_t depth = 1;
    for (auto i = at_; i-- > 0;) {
      if (tokens_[i].is(')')) ++depth;
      if (tokens_[i].is('(') && --depth == 0) return i > 0 && tokens_[i - 1].is_any(functions);
    }
    return false;
  }

  std::span<const Token> tokens_;
  const Lexis& lexis_;
  std::size_t at_ = 0;
};

}  // namespace

bool names_something(std::span<const Token> condition, const Lexis& lexis) {
  return Condition(condition, lexis).names_something();
}

}  // namespace tidelock::sql
