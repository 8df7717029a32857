// Conditions on a row, in a small part of SQL: `low > 0 and (sector is null or sector in ('A', 'B'))`.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/batch/moment.h"
#include "tidelock/batch/record.h"
#include "tidelock/sql/value.h"

namespace tidelock::batch {

// Comparisons (= <> != < <= > >=) of fields, literals (12.5, 'text', '2024-02-29', true, null) and $now, $today,
// $yesterday; `is null`, `is not null`, `in (…)`, a boolean field by itself; and, or, not, parentheses. Numbers of all
// types compare with each other, exactly; else both sides are of one type, which a quoted literal takes from the other
// side. A comparison with null is unknown, and three-valued logic follows, as in SQL. Immutable, cheap to copy.
class Condition {
 public:
  // Error: invalid_argument, with the place in the text, what is wrong and what would be right.
  static Condition parse(std::string_view text, std::span<const Field> fields);

  // values: one a field, in their order, of the field's type or null; only those of fields() are looked at. Empty:
  // unknown.
  std::optional<bool> evaluate(std::span<const sql::ValueView> values, const Moment& moment) const;

  // The fields that it names, in their order.
  const std::vector<std::size_t>& fields() const { return fields_; }
  const std::string& text() const { return text_; }

  struct Node;

 private:
  std::string text_;
  std::vector<std::size_t> fields_;
  std::shared_ptr<const Node> root_;
};

// Which of two values is greater; empty for kinds that do not compare and for a NaN. Numbers of all kinds compare
// with each other.
std::optional<std::strong_ordering> compare(const sql::ValueView& a, const sql::ValueView& b);

}  // namespace tidelock::batch
