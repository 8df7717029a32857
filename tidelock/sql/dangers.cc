// find_dangers() of guard.h: reads statements by their tokens, without a grammar. Where it cannot know, it errs on the
// side of a danger.
#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/sql/condition.h"
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
// What may stand behind the BEGIN of a transaction. Anything else begins a block.
const Words kBeginsTransaction = {"WORK",       "TRANSACTION", "DEFERRED", "IMMEDIATE", "EXCLUSIVE",
                                  "CONCURRENT", "ISOLATION",   "READ",     "DEFERRABLE"};
const Words kCompound = {"IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"};
const Words kEndsWhere = {"RETURNING", "ORDER", "LIMIT"};

// The tokens of a statement that stand in no brackets, and what stands in them. Behind a dot a word is no keyword but a
// name: t.where.
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
  bool is(std::size_t i, std::string_view keyword) const { return is_any_of(i, {keyword}); }
  bool is(std::size_t i, char symbol) const { return i < size() && (*this)[i].is(symbol); }
  bool is_any_of(std::size_t i, Words words) const {
    return i < size() && (*this)[i].is_any(words) && !is_behind_dot(own_[i]);
  }
  bool has_string() const {
    return std::ranges::any_of(own_, [&](std::size_t i) { return all_[i].kind == TokenKind::string; });
  }
  // The first at `from` or later; size() when there is none.
  std::size_t find(Words words, std::size_t from = 0) const {
    while (from < size() && !is_any_of(from, words)) ++from;
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
  // The dot of a number is another: 1.where
  bool is_behind_dot(std::size_t at) const {
    if (at == 0 || !all_[at - 1].is('.')) return false;
    return at == 1 || !std::ranges::all_of(all_[at - 2].text, base::ascii::is_digit);
  }

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
    behind_ = 0;
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
      const bool is_part = (i > 0 && level.is_any_of(i - 1, {"DO", "FOR", "ON", "THEN"})) ||
                           (i > 1 && level.is(i - 1, "KEY") && level.is(i - 2, "NO"));
      const bool is_name = level.is(i + 1, "AS") || level.is(i + 1, '(');
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
    if (first.is_any({"EXPLAIN", "DESCRIBE", "DESC", "ANALYZE"})) return explained(level);
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
      const auto kind = created(level);
      if (level.is(kind, "EVENT")) return scheduled(level, kind);
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
    if (at >= level.size()) return true;
    if (++behind_ <= kDeepest) return own(Level(level.between(at, level.size())));
    add(Rule::dynamic_sql, level[at], "statements in statements, too deep to be read");
    return false;
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
    if (level.is(kind, "EVENT")) return scheduled(level, kind);
    const bool replaces = level.is(1, "OR") && level.is(2, "REPLACE");
    const bool is_temporary = level.find({"TEMP", "TEMPORARY"}) < kind;
    if (replaces && !is_temporary && kind < level.size()) {
      add(Rule::drop, level[0], "CREATE OR REPLACE " + std::string(level[kind].text));
    }
    return true;
  }
  // The word that says what is created, or altered; it stands before the name.
  static std::size_t created(const Level& level) {
    std::size_t at = 1;
    while (at < level.size() && !level.is(at, "EVENT") && !level.is_any_of(at, kRoutines) &&
           !level.is_any_of(at, kHoldsData)) {
      at = level.is(at, "DEFINER") ? behind_definer(level, at) : at + 1;
    }
    return std::min(at, level.size());
  }
  // definer = user@host: both may be called whatever they like.
  static std::size_t behind_definer(const Level& level, std::size_t at) {
    at += 3;
    if (!level.is(at, '@')) return at;
    at += 2;
    while (level.is(at, '.')) at += 2;
    return at;
  }

  // create event … do …, which the server does by itself, perhaps at once. It may be called DO, too.
  bool scheduled(const Level& level, std::size_t event) {
    auto at = level.find({"DO"}, event + (level.is(event + 1, "IF") ? 5 : 2));
    while (level.is(at - 1, "TO")) at = level.find({"DO"}, at + 1);
    return behind(level, at + 1);
  }

  bool prepared(const Level& level) {
    const auto as = level.find({"AS", "FROM"}, 2);
    if (level.is(as, "FROM")) add(Rule::dynamic_sql, level[0], "PREPARE … FROM");
    return !level.is(as, "AS") || behind(level, as + 1);
  }

  void alter(const Level& level) {
    for (std::size_t i = 2; i < level.size(); ++i) {
      if (level.is(i, "TRUNCATE")) add(Rule::truncate, level[i], "ALTER … TRUNCATE");
      if (level.is(i, "DISCARD") && level.is(i + 1, "TABLESPACE")) add(Rule::drop, level[i], "DISCARD TABLESPACE");
      if (!level.is(i, "DROP")) continue;
      // alter [column] name drop default: no data.
      const auto before = i >= 3 && level.is(i - 2, "COLUMN") ? i - 3 : i - 2;
      const bool of_column = before > 0 && level.is(before, "ALTER") && !level[i - 1].is(',') &&
                             level.is_any_of(i + 1, {"DEFAULT", "NOT", "IDENTITY", "EXPRESSION"});
      if (!of_column) add(Rule::drop, level[i], "ALTER … DROP");
    }
  }

  void without_where(const Level& level, std::size_t at, Rule rule, const char* what) {
    const auto where = level.find({"WHERE", "RETURNING"}, at);  // Behind RETURNING it is a label: returning a as where
    const auto end = level.is(where, "WHERE") ? level.find(kEndsWhere, where) : where;
    if (!names_something(level.between(where + 1, end), lexis_)) add(rule, level[at], what);
  }

  // merge … on … when [not] matched [by source] [and …] then delete …
  void merge(const Level& level, std::size_t at) {
    const auto on = level.find({"ON"}, at);
    const auto first = clause_of_merge(level, at);
    const bool by_columns = level.find({"USING"}, level.find({"USING"}, at) + 1) < first;
    const bool is_joined = by_columns || names_something(level.between(on + 1, first), lexis_);
    auto when = first;
    auto next = clause_of_merge(level, when + 1);
    for (auto then = level.find({"THEN"}, first); then < level.size(); then = level.find({"THEN"}, then + 1)) {
      while (next < then) next = clause_of_merge(level, (when = next) + 1);
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
  // Where the next one begins: a CASE has a WHEN as well.
  static std::size_t clause_of_merge(const Level& level, std::size_t from) {
    const auto is_clause = [&](std::size_t when) {
      return level.is(when + 1, "MATCHED") || (level.is(when + 1, "NOT") && level.is(when + 2, "MATCHED"));
    };
    auto when = level.find({"WHEN"}, from);
    while (when < level.size() && !is_clause(when)) when = level.find({"WHEN"}, when + 1);
    return when;
  }

  void hidden(const Level& level) {
    const auto& first = level[0];
    const bool is_label = first.is('<') || (level.size() > 2 && first.kind != TokenKind::symbol && level.is(1, ':') &&
                                            !level.is(2, ':'));  // <<name>> or name:
    const bool is_do = first.is("DO") && (level.is(1, "LANGUAGE") || level.has_string());
    const bool is_begin = first.is("BEGIN") && level.size() > 1 && !level.is_any_of(1, kBeginsTransaction);
    const bool is_declare = first.is("DECLARE") && level.find({"CURSOR"}) == level.size();
    if (is_label || is_do || is_begin || is_declare || first.is_any(kCompound)) {
      add(Rule::dynamic_sql, first, "a block of code");
    } else if (first.is("EXECUTE") && level.is(1, "IMMEDIATE")) {
      add(Rule::dynamic_sql, first, "EXECUTE IMMEDIATE");
    } else if (first.is("BINLOG")) {
      add(Rule::dynamic_sql, first, "BINLOG");
    } else if (first.is("IMPORT") || (first.is("PRAGMA") && level.is(1, "IMPORT_DATABASE"))) {
      add(Rule::dynamic_sql, first, "IMPORT");
    } else if (first.is("COPY") && level.find({"PROGRAM"}) < level.size()) {
      add(Rule::dynamic_sql, first, "COPY with a program");
    }
  }

  static constexpr std::size_t kDeepest = 64;

  std::vector<Danger>& dangers_;
  const Lexis& lexis_;
  std::size_t behind_ = 0;  // How deep the statement is that is looked at, in the one of text().
};

// The name of a variable is no keyword, whatever it is, and is given out as one in quotes: @where, @1.where.
class VariableNames {
 public:
  explicit VariableNames(const Lexis& lexis) : lexis_(lexis) {}

  Token seen(Token token) {
    const bool goes_on = inside_ && token.begin == end_ && may_be_part(token);
    inside_ = goes_on || (lexis_.at_variables && token.is('@'));
    end_ = token.end();
    if (goes_on && token.kind == TokenKind::word) token.kind = TokenKind::quoted_name;
    return token;
  }

 private:
  static bool may_be_part(const Token& token) {
    return token.kind == TokenKind::word || token.kind == TokenKind::number || token.is('.') || token.is('$');
  }

  const Lexis& lexis_;
  bool inside_ = false;
  std::size_t end_ = 0;  // Of the last token.
};

// A reading of the text; which executable comments are text is given by `executed`.
struct Reading {
  std::vector<Token> tokens;
  std::size_t executable_comments;
};

Reading read(std::string_view sql, const Lexis& lexis, std::uint64_t executed) {
  Reading reading{};
  Lexer lexer(sql, lexis, executed);
  VariableNames variable(lexis);
  while (const auto token = lexer.next()) reading.tokens.push_back(variable.seen(*token));
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
