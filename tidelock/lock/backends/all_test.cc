#include "tidelock/lock/backends/all.h"

#include "tidelock/base/testing/error_text.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(Backends, EachSchemeOpensAnArbiterThatExcludes) {
  for (const auto* url : {"memory:", "sqlite:/locks.db", "sqlite::memory:"}) {
    const auto backend = open_backend(runtime, files, base::Url::parse(url));
    Mutex mutex(*backend, runtime, "x");
    EXPECT_TRUE(mutex.try_acquire(runtime.in(1s))) << url;
    EXPECT_FALSE(mutex.try_acquire(runtime.in(1s))) << url;
    EXPECT_FALSE(backend->guarantees().note.empty());
  }
}

WORLD_TEST(Backends, AnUnknownSchemeListsTheKnownOnes) {
  const auto refusal = [&](const char* url) {
    return base::testing::error_text([&] { open_backend(runtime, files, base::Url::parse(url)); });
  };
  EXPECT_EQ(refusal("sqlit:/x.db"),
            "no locks are kept in sqlit: (did you mean sqlite:?); there are memory, sqlite, postgres and mariadb");
  EXPECT_EQ(refusal("gopher:x"), "no locks are kept in gopher:; there are memory, sqlite, postgres and mariadb");
  EXPECT_EQ(refusal("memory:x"), "memory:x: memory: has nothing behind it");
  EXPECT_THROW_CODE(open_backend(runtime, files, base::Url::parse("memory:?x=1")), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::lock
