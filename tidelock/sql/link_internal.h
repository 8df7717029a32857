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
void check_values(const Values& values);

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

// One event on its way to the observer. Used again and again.
class Link::Observation {
 public:
  explicit Observation(const Link& link) : link_(link) {}

  bool begun() const { return observer_ != nullptr; }
  // Copies the values; `sql` must live until end(). announced: on_start() is called.
  void begin(Observer& observer, Category category, std::uint64_t transaction, std::string_view sql,
             const Values& values, bool announced = true);
  void note_secrets() { has_secrets_ = true; }               // Not among its values, but the engine has seen some.
  void end(std::int64_t rows, const Error* error) noexcept;  // Does nothing unless begun.

 private:
  StatementEvent event(std::int64_t rows, const Error* error, base::Instant now) const;

  const Link& link_;
  Observer* observer_ = nullptr;
  Category category_{};
  std::uint64_t transaction_ = 0;
  std::string_view sql_;
  std::vector<Value> values_;
  std::vector<ValueView> views_;  // Of values_.
  bool has_secrets_ = false;
  base::Instant started_;
};

// Runs `body` as one event, where somebody looks. What it throws is heeded, and passes through.
template <typename Body>
auto Link::observed(Category category, std::uint64_t transaction, std::string_view sql, Body&& body) {
  const auto heeded = [&] {
    try {
      return body();
    } catch (const Error& error) {
      heed(error);
      throw;
    }
  };
  Observer* const observer = pool_.observer();
  if (observer == nullptr) return heeded();
  Observation observation(*this);
  observation.begin(*observer, category, transaction, sql, std::span<const ValueView>());
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      heeded();
      observation.end(0, nullptr);
    } else {
      auto result = heeded();
      observation.end(0, nullptr);
      return result;
    }
  } catch (const Error& error) {
    observation.end(0, &error);
    throw;
  } catch (...) {
    observation.end(0, nullptr);
    throw;
  }
}

}  // namespace tidelock::sql
