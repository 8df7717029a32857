#include "tidelock/cli/arbiter.h"

#include <fmt/format.h>

#include "tidelock/base/error.h"
#include "tidelock/base/url.h"

namespace tidelock::cli {
namespace {

// Of the file that the locks are in; empty where there is none.
base::Path checked_path(const std::string& text) {
  const auto url = base::Url::parse(text);
  const bool is_sqlite = url.scheme == "sqlite";
  if (url.scheme == "memory" || (is_sqlite && url.path == ":memory:")) {
    throw Error(Code::unsupported, fmt::format("the locks of {} end with this process and exclude no other", text));
  }
  return is_sqlite ? base::Path(url.path) : base::Path();
}

}  // namespace

Arbiter::Arbiter(const Outside& outside, const std::string& url)
    : toolkit_(std::make_unique<Toolkit>(outside.runtime, outside.files)), backend_(toolkit_->lock_backend(url)) {}

Arbiter Arbiter::open(const Outside& outside, const std::string& url) {
  const auto folder = checked_path(url).parent_path();
  if (!folder.empty()) outside.files.create_folders(folder);
  return {outside, url};
}

std::optional<Arbiter> Arbiter::open_existing(const Outside& outside, const std::string& url) {
  const auto path = checked_path(url);
  if (!path.empty() && !outside.files.info(path)) return std::nullopt;
  return Arbiter(outside, url);
}

std::string shown_url(const std::string& url) { return base::Url::parse(url).to_string(); }

}  // namespace tidelock::cli
