#include "tidelock/pipeline/mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidelock::pipeline {

void Mistakes::add(int line, std::string key, std::string what, std::string right) {
  all_.push_back({line, std::move(key), std::move(what), std::move(right)});
}

std::vector<std::string> Mistakes::lines() const {
  auto sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  std::vector<std::string> lines;
  for (const auto& [line, key, what, right] : sorted) {
    auto text = fmt::format("{}:{}: {}{}{}: {}", file_, line, key, key.empty() ? "" : ": ", what, right);
    if (std::find(lines.begin(), lines.end(), text) == lines.end()) lines.push_back(std::move(text));
  }
  return lines;
}

void Mistakes::throw_if_any() const {
  if (!none()) throw InvalidPipeline(file_, lines());
}

InvalidPipeline::InvalidPipeline(const std::string& file, std::vector<std::string> lines)
    : Error(Code::invalid_argument,
            lines.size() == 1 ? lines.front() : fmt::format("{} has {} mistakes", file, lines.size())),
      lines_(std::move(lines)) {}

}  // namespace tidelock::pipeline
