// Url::parse() never crashes and refuses with invalid_argument only; to_string() reads back to the same URL, but for
// what it masks; and a password reaches neither a text nor an error, wherever in a URL it was meant to stand.
#include "tidelock/base/url.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"

namespace {

using namespace tidelock;

void check(bool holds) {
  if (!holds) std::abort();
}

void reads_back(const base::Url& url) {
  const auto text = url.to_string();
  const auto again = base::Url::parse(text);
  check(again.to_string() == text);
  check(again.scheme == url.scheme && again.user == url.user && again.hosts == url.hosts && again.path == url.path);
  check(again.password.empty() == url.password.empty());
  check(again.params.size() == url.params.size());
  for (const auto& [name, value] : url.params) check(base::names_a_secret(name) || again.params.at(name) == value);
}

void parses_or_refuses(std::string_view text) {
  try {
    reads_back(base::Url::parse(text));
  } catch (const Error& error) {
    check(error.code() == Code::invalid_argument);
  }
}

void does_not_tell(const std::string& text, std::string_view password) {
  try {
    const auto url = base::Url::parse(text);
    check(url.to_string().find(password) == std::string::npos);
    base::UrlParams(url).finish();
  } catch (const Error& error) {
    check(std::string_view(error.what()).find(password) == std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  parses_or_refuses(input);

  // A password in the middle of whatever a person may write around it, encoded or not.
  constexpr std::string_view kPassword = "correct-horse-battery";
  if (input.find("horse") != std::string_view::npos) return 0;
  const auto middle = size / 2;
  const std::string before(input.substr(0, middle));
  const std::string after(input.substr(middle));
  const std::string secret(kPassword);
  does_not_tell("redis://user:" + before + secret + after + "@host", kPassword);
  does_not_tell("redis://user:" + before + secret + after + "@host:1/db?a=b", kPassword);
  does_not_tell("redis:" + before + ':' + secret + after + "@host", kPassword);
  does_not_tell("redis://user:" + secret + '@' + std::string(input), kPassword);
  does_not_tell("redis://host/?password=" + secret + before, kPassword);
  return 0;
}
