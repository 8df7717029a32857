// Universally unique identifiers (RFC 9562).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"

namespace tidelock::base {

// Sixteen bytes. Orders by its bytes, which for version 7 is the order of making.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  // 8-4-4-4-12 hexadecimal digits in either case, of any version. Error: invalid_argument.
  static Uuid parse(std::string_view text);
  static std::optional<Uuid> try_parse(std::string_view text);  // Empty where parse() throws.
  std::string to_string() const;                                // In lower case.

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Uuid& uuid) { return out << uuid.to_string(); }
};

// A version 7 UUID: milliseconds of the calendar (48 bits), the fraction of the millisecond in steps of a quarter
// microsecond (12 bits; RFC 9562, section 6.2, method 3), then 62 random bits. Not for secrets.
Uuid uuid_v7(Runtime& runtime);

// Makes version 7 UUIDs that increase strictly, also when several are made in one microsecond or the wall clock is
// stepped back. Thread-safe.
class UuidSource {
 public:
  explicit UuidSource(Runtime& runtime) : runtime_(runtime) {}
  Uuid next() TIDELOCK_EXCLUDES(mutex_);

 private:
  Runtime& runtime_;
  LocalMutex mutex_;
  std::uint64_t last_ticks_ TIDELOCK_GUARDED_BY(mutex_) = 0;  // Milliseconds << 12 | fraction.
};

}  // namespace tidelock::base
