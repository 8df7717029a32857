// find_dangers() of guard.h: reads statements by their tokens, without a grammar. Where it cannot know, it errs on the
// side of a danger.
#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/sql/guard.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/split.h"

namespace tidelock::sql {
namespace {

using Tokens = std::span<const Token>;
using Words = std::initializer_list<std::string_view>;

const Words kVerbs = {"SELECT", "INSERT", "UPDATE", "DELETE",   "MERGE", "REPLACE", "VALUES",  "TABLE",
                      "FROM",   "WITH",   "CREATE", "TRUNCATE", "DROP",  "ALTER",   "EXECUTE", "DO"};
const Words kRoutines = {"TRIGGER", "FUNCTION", "PROCEDURE", "RULE", "MACRO", "PACKAGE", "VIEW"};
const Words kHoldsData = {"TABLE", "SEQUENCE", "DATABASE", "SCHEMA", "TYPE"};
const Words kCompound = {"IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"};
const Words kEndsWhere = {"RETURNING", "ORDER", "LIMIT"};
// Words of a condition that are values, join values, or ask for some.
const Words kValueWords = {
    "TRUE",         "FALSE",        "NULL",      "NOT",           "AND",          "OR",
    "XOR",          "IS",           "IN",        "LIKE",          "DIV",          "MOD",
    "BETWEEN",      "UNKNOWN",      "DISTINCT",  "FROM",          "TO",           "ISNULL",
    "NOTNULL",      "CASE",         "WHEN",      "THEN",          "ELSE",         "SELECT",
    "WHERE",        "AS",           "COLLATE",   "CURRENT_DATE",  "CURRENT_TIME", "CURRENT_TIMESTAMP",
    "CURRENT_USER", "SESSION_USER", "LOCALTIME", "LOCALTIMESTAMP"};
// Of a type of several words: double precision, timestamp with time zone.
const Words kTypeWords = {"PRECISION", "VARYING", "WITH", "WITHOUT", "TIME", "ZONE", "UNSIGNED", "SIGNED"};

bool is_any(const Token& token, Words words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return token.is(word); });
}

bool is_value(const Token& token) {
  return token.kind == TokenKind::string || token.kind == TokenKind::number || token.kind == TokenKind::placeholder;
}

// What a row may be told by: a condition without such a name is the same for all of them. A `?` is a value, and so is
// what a function, a cast or a variable of the session makes of values.
class Condition {
 public:
  Condition(Tokens tokens, const Lexis& lexis) : tokens_(tokens), lexis_(lexis) {}

  bool names_something() {
    while (at_ < tokens_.size()) {
      if (!skip_type() && !skip_variable() && !skip_zone() && !skip_function()) {
        if (is_name()) return true;
        ++at_;
      }
    }
    return false;
  }

 private:
  bool is(std::size_t ahead, char symbol) const {
    return at_ + ahead < tokens_.size() && tokens_[at_ + ahead].is(symbol);
  }
  bool is(std::size_t ahead, std::string_view keyword) const {
    return at_ + ahead < tokens_.size() && tokens_[at_ + ahead].is(keyword);
  }

  // Of a cast, or a collation: with its schema.
  bool skip_type() {
    const bool is_cast = is(0, ':') && is(1, ':');
    if (!is_cast && !is(0, "AS") && !is(0, "COLLATE")) return false;
    at_ += is_cast ? 3 : 2;
    while (is(0, '.')) at_ += 2;
    while (at_ < tokens_.size() && is_any(tokens_[at_], kTypeWords)) ++at_;
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
  bool skip_function() {
    const std::size_t name = is(1, '.') ? 2 : 0;
    if (tokens_[at_].kind != TokenKind::word || !is(name + 1, '(')) return false;
    at_ += name + 1;
    return true;
  }

  // No name stands beside a value: x'00', U&'…', date '2024-02-29', interval 1 day.
  bool is_name() const {
    const auto& token = tokens_[at_];
    if (token.kind != TokenKind::quoted_name && token.kind != TokenKind::word) return false;
    if (is_any(token, kValueWords) || (token.is("END") && has_case())) return false;
    const bool has_escapes =
        token.is("U") && is(1, '&') && at_ + 2 < tokens_.size() && tokens_[at_ + 2].begin == token.end() + 1;
    const auto next = at_ + (has_escapes ? 2 : 1);
    return !(next < tokens_.size() && is_value(tokens_[next])) && !(at_ > 0 && is_value(tokens_[at_ - 1]));
  }
  bool has_case() const {
    return std::ranges::any_of(tokens_, [](const Token& token) { return token.is("CASE"); });
  }

  Tokens tokens_;
  const Lexis& lexis_;
  std::size_t at_ = 0;
};

bool names_something(Tokens condition, const Lexis& lexis) { return Condition(condition, lexis).names_something(); }

// The tokens of a statement that stand in no brackets, and what stands in them.
class Level {
 public:
  explicit Level(Tokens all) : all_(all) {
    std::size_t depth = 0;
    std::size_t opened = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool opens = all[i].is('(') || all[i].is('[') || all[i].is('{');
      const bool closes = all[i].is(')') || all[i].is(']') || all[i].is('}');
      if (depth == 0) own_.push_back(i);
      if (opens && depth++ == 0) opened = i;
      if (closes && depth > 0 && --depth == 0) groups_.push_back(all.subspan(opened + 1, i - opened - 1));
    }
    if (depth > 0) groups_.push_back(all.subspan(opened + 1));
  }

  std::size_t size() const { return own_.size(); }
  const Token& operator[](std::size_t i) const { return all_[own_[i]]; }
  bool is(std::size_t i, std::string_view keyword) const { return i < size() && (*this)[i].is(keyword); }
  bool is_any_of(std::size_t i, Words words) const { return i < size() && is_any((*this)[i], words); }
  bool has_string() const {
    return std::ranges::any_of(own_, [&](std::size_t i) { return all_[i].kind == TokenKind::string; });
  }
  // The first at `from` or later; size() when there is none.
  std::size_t find(Words words, std::size_t from = 0) const {
    while (from < size() && !is_any((*this)[from], words)) ++from;
    return from;
  }
  // Those at [from, to), with what stands in brackets there.
  Tokens between(std::size_t from, std::size_t to) const {
    const auto index = [&](std::size_t i) { return i < size() ? own_[i] : all_.size(); };
    return from >= to ? Tokens() : all_.subspan(index(from), index(to) - index(from));
  }
  Tokens all() const { return all_; }
  const std::vector<Tokens>& groups() const { return groups_; }

 private:
  Tokens all_;
  std::vector<std::size_t> own_;  // A bracket that opens is there, what it holds and the one that closes are not.
  std::vector<Tokens> groups_;
};

class Finder {
 public:
  Finder(std::vector<Danger>& dangers, const Lexis& lexis) : dangers_(dangers), lexis_(lexis) {}

  void text(Tokens all) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= all.size(); ++i) {
      if (i < all.size() && !(all[i].is(';') && semicolon_ends(all.subspan(begin, i - begin), lexis_))) continue;
      statement(all.subspan(begin, i - begin));
      begin = i + 1;
    }
  }

  static bool defines_routine(Tokens all) {
    const Level level(all);
    const auto kind = created(level);
    return level.is(0, "CREATE") && level.is_any_of(kind, kRoutines) && !level.is(kind, "VIEW");
  }

 private:
  void add(Rule rule, const Token& at, std::string what) {
    const auto known = std::ranges::find(dangers_, rule, &Danger::rule);
    if (known == dangers_.end()) {
      dangers_.push_back({rule, at.begin, std::move(what)});
    } else if (at.begin < known->at) {
      *known = {rule, at.begin, std::move(what)};
    }
  }

  void statement(Tokens all) {
    if (all.empty()) return;
    const Level level(all);
    if (!own(level)) return;
    for (const auto group : level.groups()) nested(group, 1);
  }

  // What stands in brackets is mostly no statement: "(delete int)" are columns.
  void nested(Tokens all, std::size_t depth) {
    if (all.empty()) return;
    if (depth > kDeepest) return add(Rule::dynamic_sql, all.front(), "brackets in brackets, too deep to be read");
    const Level level(all);
    embedded(level);
    for (const auto group : level.groups()) nested(group, depth + 1);
  }

  // Statements that begin anywhere on this level, as behind the list of a WITH. The words may be names, too.
  void embedded(const Level& level) {
    for (std::size_t i = 0; i < level.size(); ++i) {
      const bool is_part = (i > 0 && is_any(level[i - 1], {"DO", "FOR", "ON", "THEN"})) ||
                           (i > 1 && level.is(i - 1, "KEY") && level.is(i - 2, "NO"));
      const bool is_name = level.is(i + 1, "AS") || (i + 1 < level.size() && level[i + 1].is('('));
      if (is_part || is_name) continue;
      if (level.is(i, "DELETE") && level.find({"FROM"}, i) < level.size()) {
        without_where(level, i, Rule::delete_without_where, "DELETE without WHERE");
      } else if (level.is(i, "UPDATE") && level.find({"SET"}, i) < level.size()) {
        without_where(level, i, Rule::update_without_where, "UPDATE without WHERE");
      } else if (level.is(i, "MERGE") && level.is(i + 1, "INTO")) {
        merge(level, i);
      }
    }
  }

  // False when what stands in brackets is not executed.
  bool own(const Level& level) {
    const auto& first = level[0];
    if (is_any(first, {"EXPLAIN", "DESCRIBE", "DESC", "ANALYZE"})) return explained(level);
    if (first.is("CREATE")) return create(level);
    if (first.is("SET") && level.is(1, "STATEMENT")) return behind(level, level.find({"FOR"}, 2) + 1);
    if (first.is("PREPARE")) return prepared(level);
    if (first.is("WITH")) {
      embedded(level);
    } else if (first.is("DROP")) {
      const bool is_harmless = level.is(1, "PREPARE") || level.is(1, "TEMPORARY");
      if (!is_harmless) add(Rule::drop, first, "DROP");
    } else if (first.is("TRUNCATE")) {
      add(Rule::truncate, first, "TRUNCATE");
    } else if (first.is("ALTER")) {
      if (const auto event = scheduled(level); event < level.size()) return behind(level, event);
      alter(level);
    } else if (first.is("DELETE")) {
      without_where(level, 0, Rule::delete_without_where, "DELETE without WHERE");
    } else if (first.is("UPDATE")) {
      without_where(level, 0, Rule::update_without_where, "UPDATE without WHERE");
    } else if (first.is("MERGE")) {
      merge(level, 0);
    } else {
      hidden(level);
    }
    return true;
  }

  // The statement that begins there, behind others' words.
  bool behind(const Level& level, std::size_t at) {
    return at >= level.size() || own(Level(level.between(at, level.size())));
  }

  // EXPLAIN only plans, with ANALYZE it executes.
  bool explained(const Level& level) {
    const bool executes =
        std::ranges::any_of(level.all(), [](const Token& token) { return token.is("ANALYZE") || token.is("ANALYSE"); });
    return executes && behind(level, level.find(kVerbs, 1));
  }

  // What is created is not executed; what is replaced is gone.
  bool create(const Level& level) {
    const auto kind = created(level);
    if (level.is_any_of(kind, kRoutines)) return false;
    if (const auto event = scheduled(level); event < level.size()) return behind(level, event);
    const bool replaces = level.is(1, "OR") && level.is(2, "REPLACE");
    const bool is_temporary = level.find({"TEMP", "TEMPORARY"}) < kind;
    if (replaces && !is_temporary && kind < level.size()) {
      add(Rule::drop, level[0], "CREATE OR REPLACE " + std::string(level[kind].text));
    }
    return true;
  }
  static std::size_t created(const Level& level) {
    std::size_t at = 1;
    while (at < level.size() && !is_any(level[at], kRoutines) && !is_any(level[at], kHoldsData)) ++at;
    return at;
  }

  // create event … do …, which the server does by itself, perhaps at once: where that begins, or size().
  static std::size_t scheduled(const Level& level) {
    return std::min(level.find({"DO"}, level.find({"EVENT"})) + 1, level.size());
  }

  bool prepared(const Level& level) {
    const auto as = level.find({"AS", "FROM"}, 2);
    if (level.is(as, "FROM")) add(Rule::dynamic_sql, level[0], "PREPARE … FROM");
    return !level.is(as, "AS") || behind(level, as + 1);
  }

  void alter(const Level& level) {
    for (std::size_t i = 2; i < level.size(); ++i) {
      if (level.is(i, "TRUNCATE")) add(Rule::truncate, level[i], "ALTER … TRUNCATE");
      if (!level.is(i, "DROP")) continue;
      // alter [column] name drop default: no data.
      const auto before = i >= 3 && level.is(i - 2, "COLUMN") ? i - 3 : i - 2;
      const bool of_column = before > 0 && level.is(before, "ALTER") && !level[i - 1].is(',') &&
                             level.is_any_of(i + 1, {"DEFAULT", "NOT", "IDENTITY", "EXPRESSION"});
      if (!of_column) add(Rule::drop, level[i], "ALTER … DROP");
    }
  }

  void without_where(const Level& level, std::size_t at, Rule rule, const char* what) {
    const auto where = level.find({"WHERE"}, at);
    const auto end = level.find(kEndsWhere, where);
    if (!names_something(level.between(where + 1, end), lexis_)) add(rule, level[at], what);
  }

  // merge … on … when [not] matched [by source] [and …] then delete …
  void merge(const Level& level, std::size_t at) {
    const auto on = level.find({"ON"}, at);
    const auto first = level.find({"WHEN"}, at);
    const bool by_columns = level.find({"USING"}, level.find({"USING"}, at) + 1) < first;
    const bool is_joined = by_columns || names_something(level.between(on + 1, first), lexis_);
    for (auto when = first; when < level.size(); when = level.find({"WHEN"}, when + 1)) {
      const auto then = level.find({"THEN"}, when);
      const auto condition = level.find({"AND"}, when);
      const bool is_bounded = condition < then ? names_something(level.between(condition + 1, then), lexis_)
                                               : is_joined && level.find({"SOURCE"}, when) > then;
      if (is_bounded) continue;
      if (level.is(then + 1, "DELETE")) {
        add(Rule::delete_without_where, level[then + 1], "MERGE that deletes without a condition");
      } else if (level.is(then + 1, "UPDATE")) {
        add(Rule::update_without_where, level[then + 1], "MERGE that updates without a condition");
      }
    }
  }

  void hidden(const Level& level) {
    const auto& first = level[0];
    const bool is_label = level.size() > 2 && first.kind != TokenKind::symbol && level[1].is(':') && !level[2].is(':');
    const bool is_do = first.is("DO") && (level.is(1, "LANGUAGE") || level.has_string());
    const bool is_begin = first.is("BEGIN") && (level.is(1, "NOT") || level.is_any_of(1, kVerbs));
    const bool is_declare = first.is("DECLARE") && level.find({"CURSOR"}) == level.size();
    if (is_label || is_do || is_begin || is_declare || is_any(first, kCompound)) {
      add(Rule::dynamic_sql, first, "a block of code");
    } else if (first.is("EXECUTE") && level.is(1, "IMMEDIATE")) {
      add(Rule::dynamic_sql, first, "EXECUTE IMMEDIATE");
    } else if (first.is("IMPORT") || (first.is("PRAGMA") && level.is(1, "IMPORT_DATABASE"))) {
      add(Rule::dynamic_sql, first, "IMPORT");
    } else if (first.is("COPY") && level.find({"PROGRAM"}) < level.size()) {
      add(Rule::dynamic_sql, first, "COPY with a program");
    }
  }

  static constexpr std::size_t kDeepest = 64;

  std::vector<Danger>& dangers_;
  const Lexis& lexis_;
};

// A reading of the text; which executable comments are text is given by `executed`.
struct Reading {
  std::vector<Token> tokens;
  std::size_t executable_comments;
};

Reading read(std::string_view sql, const Lexis& lexis, std::uint64_t executed) {
  Reading reading{};
  Lexer lexer(sql, lexis, executed);
  while (const auto token = lexer.next()) reading.tokens.push_back(*token);
  reading.executable_comments = lexer.executable_comments();
  return reading;
}

}  // namespace

bool defines_routine(std::string_view sql, const Lexis& lexis) {
  return Finder::defines_routine(read(sql, lexis, ~std::uint64_t{0}).tokens);
}

std::vector<Danger> find_dangers(std::string_view sql, const Lexis& lexis, Extent extent) {
  constexpr std::size_t kMostComments = 6;
  const auto all = read(sql, lexis, ~std::uint64_t{0});
  std::vector<Danger> dangers;
  if (extent == Extent::statement && Finder::defines_routine(all.tokens)) return dangers;
  Finder finder(dangers, lexis);
  finder.text(all.tokens);
  // Which of its comments a server executes depends on its version: no reading may be a danger.
  auto most = all.executable_comments;
  const auto readings = [&] { return most == 0 ? 0 : std::uint64_t{1} << std::min(most, kMostComments); };
  for (std::uint64_t executed = 0; executed < readings(); ++executed) {
    try {
      const auto reading = read(sql, lexis, executed);
      finder.text(reading.tokens);
      most = std::max(most, reading.executable_comments);  // A string that begins in one may have hidden others.
    } catch (const Error&) {  // Read like this it does not end, and a server that does so refuses it.
    }
  }
  if (most > kMostComments) {
    dangers.push_back({Rule::dynamic_sql, 0, "more than 6 comments that a server may execute"});
  }
  std::ranges::sort(dangers, {}, &Danger::at);
  return dangers;
}

}  // namespace tidelock::sql
