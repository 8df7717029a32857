#include "tidelock/cli/arbiter.h"

#include <fmt/format.h>

#include "tidelock/base/error.h"
#include "tidelock/base/real_path.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backends/all.h"

namespace tidelock::cli {

std::unique_ptr<lock::Backend> open_arbiter(const Outside& outside, const std::string& text,
                                            const lock::OpenOptions& options) {
  const auto url = base::Url::parse(text);
  if (url.scheme == "memory" || (url.scheme == "sqlite" && url.path == ":memory:")) {
    throw Error(Code::unsupported, fmt::format("the locks of {} end with this process and exclude no other", text));
  }
  return lock::open_backend(outside.runtime, outside.files, url, options);
}

bool arbiter_exists(const Outside& outside, const std::string& text) {
  const auto url = base::Url::parse(text);
  return url.scheme != "sqlite" || outside.files.info(base::real_path(outside.files, url.path)).has_value();
}

std::string shown_url(const std::string& url) { return base::Url::parse(url).to_string(); }

}  // namespace tidelock::cli
