#include "tidelock/batch/condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>
#include <variant>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::batch {
namespace {

using sql::Kind;
using Truth = std::optional<bool>;

enum class Variable { now, today, yesterday };
enum class Comparison { equal, unequal, less, less_equal, greater, greater_equal };

// A field by its number, a constant, or a moment of the run.
using Operand = std::variant<std::size_t, sql::Value, Variable>;

struct Named {
  std::string_view text;
  Comparison comparison;
};
constexpr std::array<Named, 7> kComparisons{{{"<=", Comparison::less_equal},
                                             {">=", Comparison::greater_equal},
                                             {"<>", Comparison::unequal},
                                             {"!=", Comparison::unequal},
                                             {"=", Comparison::equal},
                                             {"<", Comparison::less},
                                             {">", Comparison::greater}}};

bool holds(Comparison comparison, std::strong_ordering order) {
  switch (comparison) {
    case Comparison::equal:
      return order == 0;
    case Comparison::unequal:
      return order != 0;
    case Comparison::less:
      return order < 0;
    case Comparison::less_equal:
      return order <= 0;
    case Comparison::greater:
      return order > 0;
    case Comparison::greater_equal:
      return order >= 0;
  }
  return false;
}

}  // namespace

struct Condition::Node {
  enum class Kind { all, any, negation, comparison, is_null, one_of, truth } kind;
  std::vector<Node> parts{};        // Of all, any, negation.
  Comparison comparison{};          //
  std::vector<Operand> operands{};  // Of comparison: two; of one_of: the first is looked for among the others.
};

namespace {

using Node = Condition::Node;

struct Row {
  std::span<const sql::ValueView> values;
  const Moment& moment;
};

sql::ValueView value_of(const Operand& operand, const Row& row) {
  if (const auto* field = std::get_if<std::size_t>(&operand)) return row.values[*field];
  if (const auto* constant = std::get_if<sql::Value>(&operand)) return sql::view(*constant);
  switch (std::get<Variable>(operand)) {
    case Variable::now:
      return row.moment.now;
    case Variable::today:
      return row.moment.today;
    case Variable::yesterday:
      return row.moment.yesterday;
  }
  return sql::Null{};
}

bool is_null(const sql::ValueView& value) { return std::holds_alternative<sql::Null>(value); }

Truth compare_by(Comparison comparison, const sql::ValueView& a, const sql::ValueView& b) {
  if (is_null(a) || is_null(b)) return std::nullopt;
  const auto order = compare(a, b);
  return order ? Truth(holds(comparison, *order)) : std::nullopt;
}

Truth evaluate_node(const Node& node, const Row& row);

// all: false if one is; any: true if one is; else unknown if one is.
Truth combine(const Node& node, const Row& row, bool decisive) {
  Truth result = !decisive;
  for (const auto& part : node.parts) {
    const auto truth = evaluate_node(part, row);
    if (truth == decisive) return decisive;
    if (!truth) result = std::nullopt;
  }
  return result;
}

Truth find_among(const Node& node, const Row& row) {
  const auto wanted = value_of(node.operands[0], row);
  Truth result = false;
  for (std::size_t i = 1; i < node.operands.size(); ++i) {
    const auto truth = compare_by(Comparison::equal, wanted, value_of(node.operands[i], row));
    if (truth == true) return true;
    if (!truth) result = std::nullopt;
  }
  return result;
}

Truth evaluate_node(const Node& node, const Row& row) {
  switch (node.kind) {
    case Node::Kind::all:
      return combine(node, row, false);
    case Node::Kind::any:
      return combine(node, row, true);
    case Node::Kind::negation: {
      const auto truth = evaluate_node(node.parts[0], row);
      return truth ? Truth(!*truth) : std::nullopt;
    }
    case Node::Kind::comparison:
      return compare_by(node.comparison, value_of(node.operands[0], row), value_of(node.operands[1], row));
    case Node::Kind::is_null:
      return is_null(value_of(node.operands[0], row));
    case Node::Kind::one_of:
      return find_among(node, row);
    case Node::Kind::truth: {
      const auto value = value_of(node.operands[0], row);
      return is_null(value) ? std::nullopt : Truth(std::get<bool>(value));
    }
  }
  return std::nullopt;
}

// A literal knows its type, except that quoted text may become whatever the other side is.
struct Term {
  Operand operand;
  Kind kind = Kind::null;
  bool quoted = false;
  std::string text;  // As it was written.
};

class Parser {
 public:
  Parser(std::string_view text, std::span<const Field> fields) : text_(text), fields_(fields) {}

  Node parse() {
    auto node = disjunction();
    if (!peek().empty()) fail("stray " + base::quoted(peek()));
    return node;
  }
  std::vector<std::size_t> used() && {
    std::ranges::sort(used_);
    used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
    return std::move(used_);
  }

 private:
  static constexpr int kDepthMax = 100;

  [[noreturn]] void fail(const std::string& why) const {
    throw Error(Code::invalid_argument, fmt::format("condition {}: {}, at character {}", base::quoted(text_), why,
                                                    std::min(token_begin_, text_.size()) + 1));
  }

  // The next token; empty at the end.
  std::string_view peek() {
    if (have_token_) return token_;
    while (at_ < text_.size() && base::ascii::is_space(text_[at_])) ++at_;
    token_begin_ = at_;
    at_ += token_length();
    token_ = text_.substr(token_begin_, at_ - token_begin_);
    have_token_ = true;
    return token_;
  }

  std::size_t token_length() {
    if (at_ == text_.size()) return 0;
    const auto rest = text_.substr(at_);
    const char c = rest[0];
    if (c == '\'') return quoted_length(rest);
    for (const auto& candidate : kComparisons) {
      if (rest.starts_with(candidate.text)) return candidate.text.size();
    }
    const auto in_word = [](char x) { return base::ascii::is_letter_or_digit(x) || x == '_' || x == '.'; };
    std::size_t length = 1;
    if (in_word(c) || c == '$' || c == '-') {
      while (length < rest.size() && in_word(rest[length])) ++length;
    }
    return length;
  }
  std::size_t quoted_length(std::string_view rest) {
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] != '\'') continue;
      if (i + 1 == rest.size() || rest[i + 1] != '\'') return i + 1;
      ++i;
    }
    fail("the text that begins here does not end with a '");
  }

  std::string_view take() {
    const auto token = peek();
    have_token_ = false;
    return token;
  }
  bool accept(std::string_view word) {
    if (base::ascii::lower(peek()) != word) return false;
    take();
    return true;
  }
  void expect(std::string_view word) {
    if (!accept(word)) fail(fmt::format("{} expected here, not {}", word, described(peek())));
  }
  static std::string described(std::string_view token) { return token.empty() ? "the end" : base::quoted(token); }

  Node disjunction() {
    if (++depth_ > kDepthMax) fail("nested too deeply");
    auto node = list(Node::Kind::any, "or", [this] { return conjunction(); });
    --depth_;
    return node;
  }
  Node conjunction() {
    return list(Node::Kind::all, "and", [this] { return negation(); });
  }
  template <typename Part>
  Node list(Node::Kind kind, std::string_view word, Part part) {
    Node node = part();
    if (base::ascii::lower(peek()) != word) return node;
    Node whole{.kind = kind};
    whole.parts.push_back(std::move(node));
    while (accept(word)) whole.parts.push_back(part());
    return whole;
  }
  Node negated(Node node) {
    Node result{.kind = Node::Kind::negation};
    result.parts.push_back(std::move(node));
    return result;
  }
  Node negation() {
    if (!accept("not")) return primary();
    if (++depth_ > kDepthMax) fail("nested too deeply");
    auto node = negated(negation());
    --depth_;
    return node;
  }

  Node primary() {
    if (accept("(")) {
      auto node = disjunction();
      expect(")");
      return node;
    }
    auto left = term();
    if (accept("is")) {
      const bool is_not = accept("not");
      expect("null");
      Node node{.kind = Node::Kind::is_null};
      node.operands.push_back(std::move(left.operand));
      return is_not ? negated(std::move(node)) : node;
    }
    const bool is_not = accept("not");
    if (is_not && base::ascii::lower(peek()) != "in") fail("in (…) expected after not");
    if (accept("in")) {
      auto node = membership(std::move(left));
      return is_not ? negated(std::move(node)) : node;
    }
    for (const auto& candidate : kComparisons) {
      if (peek() == candidate.text) return comparison(std::move(left), candidate.comparison);
    }
    if (left.kind != Kind::boolean) {
      fail(fmt::format("a comparison (=, <>, <, <=, >, >=), is null or in (…) expected after {}", left.text));
    }
    Node node{.kind = Node::Kind::truth};
    node.operands.push_back(std::move(left.operand));
    return node;
  }

  Node comparison(Term left, Comparison which) {
    take();
    auto right = term();
    agree(left, right);
    Node node{.kind = Node::Kind::comparison, .comparison = which};
    node.operands.push_back(std::move(left.operand));
    node.operands.push_back(std::move(right.operand));
    return node;
  }
  Node membership(Term left) {
    Node node{.kind = Node::Kind::one_of};
    expect("(");
    std::vector<Term> terms;
    do {
      terms.push_back(term());
      agree(left, terms.back());
    } while (accept(","));
    expect(")");
    node.operands.push_back(std::move(left.operand));
    for (auto& each : terms) node.operands.push_back(std::move(each.operand));
    return node;
  }

  // Quoted text becomes what the other side is; then both must compare.
  void agree(Term& left, Term& right) {
    become(left, right.kind);
    become(right, left.kind);
    const auto number = [](Kind kind) { return kind == Kind::int64 || kind == Kind::decimal || kind == Kind::real; };
    const bool fits = left.kind == right.kind || (number(left.kind) && number(right.kind)) || left.kind == Kind::null ||
                      right.kind == Kind::null;
    if (!fits) {
      fail(fmt::format("{} ({}) cannot be compared with {} ({})", left.text, type_name(left.kind), right.text,
                       type_name(right.kind)));
    }
    if (left.kind == Kind::json) fail("json cannot be compared");
  }
  void become(Term& term, Kind kind) {
    if (!term.quoted || kind == Kind::text || kind == Kind::null) return;
    const auto text = std::get<std::string>(std::get<sql::Value>(term.operand));
    try {
      term.operand = sql::to_value(parse_value({"the literal", kind, false}, text));
    } catch (const Error& error) {
      fail(error.message());
    }
    term.kind = kind;
    term.quoted = false;
  }

  Term term() {
    const auto token = peek();
    if (token.empty()) fail("a field or value expected at the end");
    auto result = token[0] == '\''                                                        ? text_literal(token)
                  : token[0] == '$'                                                       ? variable(token)
                  : token[0] == '-' || token[0] == '.' || base::ascii::is_digit(token[0]) ? number_literal(token)
                                                                                          : name(token);
    result.text = std::string(token);
    take();
    return result;
  }
  Term text_literal(std::string_view token) {
    std::string text;
    for (std::size_t i = 1; i + 1 < token.size(); ++i) {
      text += token[i];
      if (token[i] == '\'') ++i;  // Doubled.
    }
    return {sql::Value(std::move(text)), Kind::text, true, {}};
  }
  Term number_literal(std::string_view token) {
    if (!sql::is_plain_decimal(token)) fail(base::quoted(token) + " is no number in plain notation, as 12 or -0.5");
    return {sql::Value(sql::Decimal(std::string(token))), Kind::decimal, false, {}};
  }
  Term variable(std::string_view token) {
    if (token == "$now") return {Variable::now, Kind::timestamp, false, {}};
    if (token == "$today") return {Variable::today, Kind::date, false, {}};
    if (token == "$yesterday") return {Variable::yesterday, Kind::date, false, {}};
    fail(base::quoted(token) + " is none of $now, $today and $yesterday");
  }
  Term name(std::string_view token) {
    const auto word = base::ascii::lower(token);
    if (word == "null") return {sql::Value(sql::Null{}), Kind::null, false, {}};
    if (word == "true" || word == "false") return {sql::Value(word == "true"), Kind::boolean, false, {}};
    std::vector<std::string> known;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i].name == token) {
        used_.push_back(i);
        return {i, fields_[i].type, false, {}};
      }
      known.push_back(fields_[i].name);
    }
    const auto nearest = base::nearest_name(token, known);
    fail(fmt::format("{} is no field{}; the fields are {}", base::quoted(token),
                     nearest ? " (did you mean " + *nearest + "?)" : "", base::listed(known)));
  }

  std::string_view text_;
  std::span<const Field> fields_;
  std::size_t at_ = 0;
  std::string_view token_;
  std::size_t token_begin_ = 0;
  bool have_token_ = false;
  int depth_ = 0;
  std::vector<std::size_t> used_;
};

}  // namespace

Condition Condition::parse(std::string_view text, std::span<const Field> fields) {
  Condition condition;
  condition.text_ = text;
  Parser parser(condition.text_, fields);
  condition.root_ = std::make_shared<const Node>(parser.parse());
  condition.fields_ = std::move(parser).used();
  return condition;
}

Truth Condition::evaluate(std::span<const sql::ValueView> values, const Moment& moment) const {
  return evaluate_node(*root_, {values, moment});
}

}  // namespace tidelock::batch
