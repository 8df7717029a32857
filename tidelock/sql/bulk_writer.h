// Many rows into one table by the engine's fastest way: an appender, COPY, the bulk protocol, or one prepared insert.
#pragma once

#include <cstdint>
#include <utility>

#include "tidelock/sql/convert.h"

namespace tidelock::sql {

class Link;

// Writes in the transaction it was made on; made on a Connection it has a transaction of its own, which finish()
// commits. Destroyed without finish() nothing of it stays: the transaction it was made on can only be rolled back
// (Error of its commit: misuse). While it lives its connection runs nothing else. Used by one task at a time.
//
//   auto bulk = tx.bulk("prices", {"symbol", "price"});
//   for (const auto& p : prices) bulk.append(p.symbol, p.price);
//   bulk.finish();
class BulkWriter {
 public:
  BulkWriter(BulkWriter&& other) noexcept : link_(std::exchange(other.link_, nullptr)), execution_(other.execution_) {}
  BulkWriter& operator=(BulkWriter&&) = delete;
  ~BulkWriter();

  // One row: a value for each of the columns, in their order. After an error only destroying it is left.
  // Errors: invalid_argument for a wrong count (says both); what the engine refuses, here or in finish().
  template <typename... Args>
  void append(const Args&... args) {
    append_values({sql::bind(args...), secrets_of<Args...>()});
  }
  void append_values(const Values& row);
  // Everything is in the table. Returns the count of rows.
  std::int64_t finish();

 private:
  friend class Link;
  BulkWriter(Link& link, std::uint64_t execution) : link_(&link), execution_(execution) {}

  Link* link_;  // Null once over.
  std::uint64_t execution_;
};

}  // namespace tidelock::sql
