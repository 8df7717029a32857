#include "tidelock/pipeline/places.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidelock/base/url.h"

namespace tidelock::pipeline {
namespace {

constexpr std::string_view kWork = "{work}";

std::string replace_work(std::string_view text, std::string_view with) {
  std::string out;
  for (auto at = text.find(kWork); at != std::string_view::npos; at = text.find(kWork)) {
    out.append(text.substr(0, at)).append(with);
    text.remove_prefix(at + kWork.size());
  }
  return out.append(text);
}

// As a path stands in a URL.
std::string encoded(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (std::string_view("%#?@").find(c) != std::string_view::npos) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

bool is_file_database(const base::Url& url) {
  return (url.scheme == "sqlite" || url.scheme == "duckdb") && url.path != ":memory:" && !url.path.empty();
}

}  // namespace

Places::Places(base::Path folder, const base::Path& work)
    : folder_(std::move(folder)), work_((folder_ / work).lexically_normal()) {
  if (!work_.has_filename()) work_ = work_.parent_path();
}

std::string Places::expand(std::string_view text) const { return replace_work(text, work_.string()); }

base::Path Places::path(std::string_view text) const {
  auto path = (folder_ / expand(text)).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

std::string Places::url(std::string_view text) const {
  const auto whole = replace_work(text, encoded(work_.string()));
  const auto url = base::Url::parse(whole);
  if (!is_file_database(url) || url.path.starts_with('/')) return whole;
  const auto colon = whole.find(':');
  return whole.substr(0, colon + 1) + encoded(folder_.string() + "/") + whole.substr(colon + 1);
}

bool Places::is_below(const base::Path& path, const base::Path& folder) {
  const auto [end, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

base::Path Places::file_of(std::string_view text) {
  const auto url = base::Url::parse(text);
  return is_file_database(url) ? base::Path(url.path).lexically_normal() : base::Path();
}

std::string Places::unknown_in_braces(std::string_view text) {
  for (auto begin = text.find('{'); begin != std::string_view::npos; begin = text.find('{', begin + 1)) {
    const auto end = text.find('}', begin);
    if (end == std::string_view::npos) return std::string(text.substr(begin));
    const auto word = text.substr(begin, end + 1 - begin);
    if (word != kWork) return std::string(word);
  }
  return {};
}

}  // namespace tidelock::pipeline
