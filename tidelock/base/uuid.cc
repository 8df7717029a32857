#include "tidelock/base/uuid.h"

#include <fmt/format.h>

#include <algorithm>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

// Milliseconds since 1970 in the upper bits, 4096ths of a millisecond in the lower 12.
std::uint64_t ticks_of(WallTime time) {
  const auto microseconds = std::max<std::int64_t>(time.time_since_epoch().count(), 0);
  const auto fraction = static_cast<std::uint64_t>(microseconds % 1000) * 4096 / 1000;
  return static_cast<std::uint64_t>(microseconds / 1000) << 12 | fraction;
}

Uuid make_v7(std::uint64_t ticks, std::uint64_t random) {
  const std::uint64_t high = (ticks >> 12) << 16 | 0x7000 | (ticks & 0xFFF);
  const std::uint64_t low = (random >> 2) | std::uint64_t{1} << 63;  // The variant: 10.
  Uuid uuid;
  for (std::size_t i = 0; i < 8; ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    uuid.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return uuid;
}

bool dash_before(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

}  // namespace

std::optional<Uuid> Uuid::try_parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (dash_before(i) && text[at++] != '-') return std::nullopt;
    const int high = ascii::hex_value(text[at]);
    const int low = ascii::hex_value(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return uuid;
}

Uuid Uuid::parse(std::string_view text) {
  if (const auto uuid = try_parse(text)) return *uuid;
  throw Error(Code::invalid_argument, fmt::format("malformed UUID {}: write 8-4-4-4-12 hexadecimal digits, for example "
                                                  "01890a5d-ac96-774b-bcce-b302099a8057",
                                                  base::quoted(text, 48)));
}

std::string Uuid::to_string() const {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < 16; ++i) {
    if (dash_before(i)) text += '-';
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 0xF];
  }
  return text;
}

Uuid uuid_v7(Runtime& runtime) { return make_v7(ticks_of(runtime.wall_now()), runtime.random()); }

Uuid UuidSource::next() {
  const auto ticks = ticks_of(runtime_.wall_now());
  const auto random = runtime_.random();
  const LocalGuard guard(mutex_);
  last_ticks_ = std::max(ticks, last_ticks_ + 1);
  return make_v7(last_ticks_, random);
}

}  // namespace tidelock::base
