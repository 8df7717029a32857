#include "tidelock/sql/backends/all.h"

#include <string>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

WORLD_TEST(Engines, AnUnknownSchemeListsTheKnownOnes) {
  const auto refusal = [&](const char* url) {
    return base::testing::error_text([&] { open(runtime, files, base::Url::parse(url)); });
  };
  EXPECT_THROW_CODE(open(runtime, files, base::Url::parse("gopher:x")), Code::invalid_argument);
  for (const auto& engine : engines()) {
    EXPECT_NE(refusal("gopher:x").find(engine.scheme + ":"), std::string::npos) << refusal("gopher:x");
  }
  EXPECT_NE(refusal("sqlit:/shop.db").find("did you mean sqlite:"), std::string::npos) << refusal("sqlit:/shop.db");
}

}  // namespace
}  // namespace tidelock::sql
