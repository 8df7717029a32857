#include "tidelock/sql/database.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tidelock/base/url.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(SqlPool, OptionsOutOfTheirRangeAreRefused) {
  const auto url = base::Url::parse("memory:");
  const auto refused = [&](const DatabaseOptions& options) {
    auto read = options;
    base::UrlParams none(url);
    EXPECT_THROW_CODE(read.read(none), Code::invalid_argument);
  };
  refused({.max_connections = 0});
  refused({.max_connections = 10'001});
  refused({.checkout_timeout = -1s});
  refused({.statement_timeout = 0s});
  refused({.busy_timeout = -1s});
  refused({.statement_cache = 0});
  refused({.max_lifetime = 0s});
  refused({.max_idle = -1s});
  DatabaseOptions fits{.max_connections = 10'000, .checkout_timeout = base::Duration::max(), .max_lifetime = 1s};
  base::UrlParams none(url);
  EXPECT_NO_THROW(fits.read(none));
}

}  // namespace
}  // namespace tidelock::sql
