// The prepared statements of one connection, by their text.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tidelock/sql/driver.h"
#include "tidelock/sql/guard.h"

namespace tidelock::sql {

struct CachedStatement {
  std::string text;                    // As the caller wrote it.
  std::size_t parameters = 0;          //
  std::unique_ptr<Prepared> prepared;  // Null once the session is closed.
  std::vector<Danger> dangers{};       // What the guard has against it.
};

// Keeps the `capacity` statements used last. A statement that falls out while a Statement still holds it lives on until
// that is gone, and is then closed here: prepared statements are only ever closed by the task that uses the session.
// Used by one task at a time.
class StatementCache {
 public:
  explicit StatementCache(std::size_t capacity) : capacity_(capacity) {}

  // Null when it is not there; makes it the one used last.
  const std::shared_ptr<CachedStatement>* find(std::string_view text);
  const std::shared_ptr<CachedStatement>& add(std::shared_ptr<CachedStatement> statement);
  // Closes every prepared statement, also those that fell out. Before the session is closed.
  void clear() noexcept;
  std::size_t size() const { return entries_.size(); }

 private:
  using Entries = std::list<std::shared_ptr<CachedStatement>>;  // Used last: first.

  std::size_t capacity_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_text_;
  std::vector<std::shared_ptr<CachedStatement>> retired_;
};

}  // namespace tidelock::sql
