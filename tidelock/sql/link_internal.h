// Parts of Link that its source files share.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/sql/link.h"
#include "tidelock/sql/pool.h"

namespace tidelock::sql {

// Error: invalid_argument for text with a NUL byte or that is not UTF-8, and for what is no decimal number.
void check_values(std::span<const ValueView> values);

#if TIDELOCK_CHECKS
// Catches a second task that comes in while the first is still inside.
class Link::Use {
 public:
  explicit Use(Link& link) : link_(link) {
    const auto mine = link.pool_.runtime().current_task() + 1;
    std::uint64_t other = 0;
    if (link.user_.compare_exchange_strong(other, mine)) return;
    throw Error(Code::misuse, "connection " + std::to_string(link.id_) + " of " + link.pool_.name() +
                                  " is used by task " + std::to_string(mine - 1) + " while task " +
                                  std::to_string(other - 1) +
                                  " is using it: a connection belongs to one task at a time");
  }
  ~Use() { link_.user_.store(0); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  Link& link_;
};
#else
class Link::Use {
 public:
  explicit Use(Link&) {}
  ~Use() {}  // Not trivial, so that an unused one is no warning.
};
#endif

// One event on its way to the observer. Made only when there is one.
class Link::Observation {
 public:
  Observation(const Link& link, Observer& observer, Category category, std::uint64_t transaction, std::string_view sql,
              std::span<const ValueView> values)
      : link_(link),
        observer_(observer),
        category_(category),
        transaction_(transaction),
        sql_(sql),
        started_(link.pool_.runtime().now()) {
    values_.reserve(values.size());
    for (const auto& value : values) values_.push_back(to_value(value));
  }

  void report(std::int64_t rows, const Error* error) const noexcept;

 private:
  const Link& link_;
  Observer& observer_;
  Category category_;
  std::uint64_t transaction_;
  std::string sql_;
  std::vector<Value> values_;
  base::Instant started_;
};

// Runs `body` as one event, where somebody looks. What it throws passes through.
template <typename Body>
auto Link::observed(Category category, std::uint64_t transaction, std::string_view sql, Body&& body) {
  Observer* const observer = pool_.observer();
  if (observer == nullptr) return body();
  const Observation observation(*this, *observer, category, transaction, sql, {});
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      observation.report(0, nullptr);
    } else {
      auto result = body();
      observation.report(0, nullptr);
      return result;
    }
  } catch (const Error& error) {
    observation.report(0, &error);
    throw;
  }
}

}  // namespace tidelock::sql
