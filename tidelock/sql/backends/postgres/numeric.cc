#include "tidelock/sql/backends/postgres/numeric.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/sql/backends/postgres/bytes.h"

namespace tidelock::sql::postgres {
namespace {

constexpr std::uint16_t kPositive = 0x0000;
constexpr std::uint16_t kNegative = 0x4000;
constexpr std::uint16_t kNan = 0xC000;
constexpr std::uint16_t kInfinity = 0xD000;
constexpr std::uint16_t kMinusInfinity = 0xF000;
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kGroup = 4;            // Decimal digits.
constexpr std::size_t kMostBefore = 131072;  // Digits before the point,
constexpr std::size_t kMostAfter = 16383;    // and after it.

void append_group(std::string& out, int group, bool leading) {
  const char digits[] = {static_cast<char>('0' + group / 1000), static_cast<char>('0' + group / 100 % 10),
                         static_cast<char>('0' + group / 10 % 10), static_cast<char>('0' + group % 10)};
  std::size_t first = 0;
  if (leading) {
    while (first < 3 && digits[first] == '0') ++first;
  }
  out.append(digits + first, kGroup - first);
}

int group_at(std::string_view digits, std::size_t at) {
  int group = 0;
  for (std::size_t i = 0; i < kGroup; ++i) group = group * 10 + (digits[at + i] - '0');
  return group;
}

}  // namespace

void append_numeric_text(std::string& out, std::string_view binary) {
  if (binary.size() < kHeaderBytes) throw Error(Code::internal, "a numeric of PostgreSQL is cut short");
  const auto count = read_network<std::int16_t>(binary.data());
  const auto weight = read_network<std::int16_t>(binary.data() + 2);
  const auto sign = read_network<std::uint16_t>(binary.data() + 4);
  const auto scale = read_network<std::int16_t>(binary.data() + 6);
  if (sign == kNan) return void(out += "NaN");
  if (sign == kInfinity) return void(out += "Infinity");
  if (sign == kMinusInfinity) return void(out += "-Infinity");
  if (count < 0 || scale < 0 || (sign != kPositive && sign != kNegative) ||
      binary.size() != kHeaderBytes + static_cast<std::size_t>(count) * 2) {
    throw Error(Code::internal, "a numeric of PostgreSQL is not of the form that is known here");
  }
  const auto group = [&](int index) -> int {
    if (index < 0 || index >= count) return 0;
    return read_network<std::int16_t>(binary.data() + kHeaderBytes + static_cast<std::size_t>(index) * 2);
  };
  if (sign == kNegative) out += '-';
  if (weight < 0) {
    out += '0';
  } else {
    for (int i = 0; i <= weight; ++i) append_group(out, group(i), i == 0);
  }
  if (scale == 0) return;
  out += '.';
  const auto end = out.size() + static_cast<std::size_t>(scale);
  for (int i = weight + 1; out.size() < end; ++i) append_group(out, group(i), false);
  out.resize(end);
}

void append_numeric_binary(std::string& out, std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = text.find('.');
  auto before = text.substr(0, point);
  const auto after = point == text.npos ? std::string_view() : text.substr(point + 1);
  while (before.starts_with('0')) before.remove_prefix(1);
  if (before.size() > kMostBefore || after.size() > kMostAfter) {
    throw Error(Code::too_large, "a decimal has more digits than a numeric of PostgreSQL can have");
  }
  // Padded on both sides, so that the point stands between two groups.
  std::string digits((kGroup - before.size() % kGroup) % kGroup, '0');
  digits += before;
  const auto groups_before = digits.size() / kGroup;
  digits += after;
  digits.append((kGroup - digits.size() % kGroup) % kGroup, '0');

  std::vector<std::int16_t> groups;
  for (std::size_t at = 0; at < digits.size(); at += kGroup) {
    groups.push_back(static_cast<std::int16_t>(group_at(digits, at)));
  }
  auto weight = static_cast<int>(groups_before) - 1;
  while (!groups.empty() && groups.back() == 0) groups.pop_back();
  const auto leading = std::ranges::find_if(groups, [](std::int16_t group) { return group != 0; });
  weight -= static_cast<int>(leading - groups.begin());
  groups.erase(groups.begin(), leading);
  if (groups.empty()) weight = 0;

  append_network(out, static_cast<std::int16_t>(groups.size()));
  append_network(out, static_cast<std::int16_t>(weight));
  append_network(out, negative && !groups.empty() ? kNegative : kPositive);
  append_network(out, static_cast<std::int16_t>(after.size()));
  for (const auto group : groups) append_network(out, group);
}

}  // namespace tidelock::sql::postgres
