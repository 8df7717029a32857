#include "tidelock/sql/backends/sqlite/position.h"

#include <fmt/compile.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace tidelock::sql::sqlite {
namespace {

struct Parts {
  std::string_view database;
  std::uint64_t generation;
  std::uint64_t frame;
  std::string_view salts;
};

std::optional<Parts> parse(std::string_view text) {
  const auto take = [&] {
    const auto end = std::min(text.find(':'), text.size());
    const auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
  };
  const auto number = [&](std::string_view part, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out);
    return error == std::errc() && end == part.data() + part.size();
  };
  Parts parts{};
  parts.database = take();
  if (!number(take(), parts.generation) || !number(take(), parts.frame)) return std::nullopt;
  parts.salts = take();
  if (parts.database.empty() || parts.salts.empty() || !text.empty()) return std::nullopt;
  return parts;
}

}  // namespace

Position Generations::position(Salts salts, std::uint32_t frame) {
  std::uint64_t generation = 0;
  {
    const base::LocalGuard guard(mutex_);
    if (generation_ == 0 || salts_ != salts) {
      ++generation_;
      salts_ = salts;
    }
    generation = generation_;
  }
  return {
      fmt::format(FMT_COMPILE("{:016x}:{}:{}:{:08x}{:08x}"), database_, generation, frame, salts.first, salts.second)};
}

std::partial_ordering compare_positions(const Position& a, const Position& b) {
  const auto left = parse(a.text);
  const auto right = parse(b.text);
  if (!left || !right) return std::partial_ordering::unordered;
  if (left->salts == right->salts) return left->frame <=> right->frame;
  if (left->database == right->database) return left->generation <=> right->generation;
  return std::partial_ordering::unordered;
}

}  // namespace tidelock::sql::sqlite
