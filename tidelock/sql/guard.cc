#include "tidelock/sql/guard.h"

#include <array>
#include <exception>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/executor.h"
#include "tidelock/sql/link.h"
#include "tidelock/sql/pool.h"

namespace tidelock::sql {
namespace {

constexpr std::array kRules = {Rule::drop, Rule::truncate, Rule::delete_without_where, Rule::update_without_where,
                               Rule::dynamic_sql};

}  // namespace

std::string_view name(Rule rule) {
  switch (rule) {
    case Rule::drop:
      return "drop";
    case Rule::truncate:
      return "truncate";
    case Rule::delete_without_where:
      return "delete_without_where";
    case Rule::update_without_where:
      return "update_without_where";
    case Rule::dynamic_sql:
      return "dynamic_sql";
  }
  std::terminate();
}

Rule rule_named(std::string_view name) {
  std::vector<std::string> known;
  for (const auto rule : kRules) {
    if (sql::name(rule) == name) return rule;
    known.emplace_back(sql::name(rule));
  }
  throw Error(Code::invalid_argument,
              "there is no rule " + base::quoted(name) + " of the guard; there are " + base::listed(known));
}

Permission::Permission(Link& link, Rules rules) : link_(link), before_(link.allowed()), lease_(link.lease()) {
  link_.allow(before_ | rules);
}

Permission::~Permission() {
  if (link_.lease() == lease_) link_.allow(before_);
}

Permission allow(Executor& on, Rules rules) { return Permission(on.link(), rules); }

void Link::check_allowed(std::span<const Danger> dangers, std::string_view sql) const {
  for (const auto& danger : dangers) {
    if (allowed_.has(danger.rule)) continue;
    const auto rule = std::string(sql::name(danger.rule));
    throw Error(Code::permission_denied,
                "the guard of " + pool_.name() + " refuses " + danger.what + ", by its rule " + rule + ", at byte " +
                    std::to_string(danger.at + 1) + " of " + base::quoted(sql) +
                    "; if that is meant, allow it for this call: sql::allow(connection, sql::Rule::" + rule +
                    "), or --allow " + rule + " of the program");
  }
}

}  // namespace tidelock::sql
