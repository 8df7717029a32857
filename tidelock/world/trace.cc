#include "tidelock/world/trace.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

namespace tidelock::world {

std::string format_time(Time time) {
  auto text = fmt::format("{}.{:09}", time.count() / 1'000'000'000, time.count() % 1'000'000'000);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text + "s";
}

void Trace::fold(std::string_view bytes) {
  fold(bytes.size());
  fold(std::uint64_t{XXH3_64bits(bytes.data(), bytes.size())});
}

void Trace::log(Time at, std::string line) {
  if (lines_.size() == keep_) lines_.pop_front();
  lines_.push_back(format_time(at) + "  " + std::move(line));
}

std::string Trace::text() const {
  std::string text;
  for (const auto& line : lines_) text += line + "\n";
  return text;
}

}  // namespace tidelock::world
