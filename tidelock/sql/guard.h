// The guard: a database that is opened guarded (DatabaseOptions::guarded, ?guarded=true) refuses statements that throw
// away more than anybody means to, and says how to allow one.
//
//   auto db = toolkit.database("sqlite:shop.db?guarded=true");
//   auto connection = db->connect();
//   connection.execute("delete from orders");  // Error: permission_denied, names the rule.
//   {
//     const auto permission = sql::allow(connection, sql::Rule::delete_without_where);
//     connection.execute("delete from orders");
//   }
//
// It reads a statement by its tokens, as the engine does (lexer.h): what stands in comments, strings and names does not
// count; what stands in a CTE, behind another statement or in a comment that a server executes does. It protects from
// mistakes, not from somebody who has the password: what stored code does, and what a condition comes to, it does not
// know. docs/deleting.md has what each rule is about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/dialect.h"

namespace tidelock::sql {

class Executor;
class Link;

enum class Rule : std::uint8_t {
  drop,                  // DROP, also in ALTER; CREATE OR REPLACE of what holds data. Temporary tables are free.
  truncate,              // TRUNCATE, also of a partition.
  delete_without_where,  // DELETE, also in a CTE or MERGE, without a condition that names anything but values.
  update_without_where,  // Likewise UPDATE.
  dynamic_sql,  // Code that hides statements: DO, EXECUTE IMMEDIATE, PREPARE … FROM, BEGIN NOT ATOMIC, IMPORT.
};
std::string_view name(Rule rule);  // "delete_without_where"
// Error: invalid_argument, names the known ones.
Rule rule_named(std::string_view name);

// A set of them.
class Rules {
 public:
  constexpr Rules() = default;
  constexpr Rules(Rule rule) : bits_(bit(rule)) {}  // NOLINT(google-explicit-constructor): a rule is a set of one.
  constexpr Rules(std::initializer_list<Rule> rules) {
    for (const auto rule : rules) bits_ |= bit(rule);
  }
  static constexpr Rules all() {
    return {Rule::drop, Rule::truncate, Rule::delete_without_where, Rule::update_without_where, Rule::dynamic_sql};
  }

  constexpr bool has(Rule rule) const { return (bits_ & bit(rule)) != 0; }
  constexpr Rules operator|(Rules other) const {
    other.bits_ |= bits_;
    return other;
  }

 private:
  static constexpr unsigned bit(Rule rule) { return 1U << static_cast<unsigned>(rule); }
  unsigned bits_ = 0;
};

// While it lives, the guard lets pass what it names, on this Connection, the transactions on it included, and nowhere
// else. Belongs to the task of the connection and ends before it. Made by allow().
class [[nodiscard]] Permission {
 public:
  Permission(const Permission&) = delete;
  Permission& operator=(const Permission&) = delete;
  ~Permission();

 private:
  friend Permission allow(Executor& on, Rules rules);
  Permission(Link& link, Rules rules);

  Link& link_;
  Rules before_;
  std::uint64_t lease_;  // A connection that was given back has no permissions any more.
};

// `on`: a Connection or Transaction. Does nothing on a database that is not guarded. Error: misuse after its end.
Permission allow(Executor& on, Rules rules);

// A statement, or a part of one, that a rule is about.
struct Danger {
  Rule rule;
  std::size_t at;    // Where in the text, in bytes.
  std::string what;  // "DELETE without WHERE"
};

// What the text is: one statement, as an engine prepares it, or several. A routine's definition may hold semicolons;
// where the engine does not tell where it ends (Lexis::trigger_bodies), what follows in a script is judged as
// statements.
enum class Extent : std::uint8_t { statement, script };

// Whether it begins with the definition of a routine or a trigger, which is not executed now.
bool defines_routine(std::string_view sql, const Lexis& lexis);

// All there are in a text, the first of each rule, in the order of the text. Pure.
// Error: statement_invalid, as of the Lexer.
std::vector<Danger> find_dangers(std::string_view sql, const Lexis& lexis, Extent extent = Extent::script);

}  // namespace tidelock::sql
