#include "tidelock/lock/owner.h"

#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

WORLD_TEST(Owner, TheMainTaskIsNamedAfterItsProcess) {
  const auto& identity = runtime.identity();
  EXPECT_EQ(current_owner(runtime), identity.owner + "/" + std::to_string(identity.pid));
}

WORLD_TEST(Owner, EachTaskIsAnOwnerOfItsOwn) {
  const auto main = current_owner(runtime);
  std::string task;
  runtime.spawn("task", [&](auto) { task = current_owner(runtime); }).join();
  EXPECT_TRUE(task.starts_with(main + ".")) << task;
}

TEST(Owner, ActsForItselfAndForThoseBelow) {
  EXPECT_TRUE(acts_for("a", "a"));
  EXPECT_TRUE(acts_for("a", "a/7"));
  EXPECT_TRUE(acts_for("a", "a/7.1/9"));
  EXPECT_TRUE(acts_for("a/7", "a/7/9"));
  EXPECT_FALSE(acts_for("a/7", "a"));
  EXPECT_FALSE(acts_for("a/7", "a/8"));
  EXPECT_FALSE(acts_for("a/7", "a/77"));
  EXPECT_FALSE(acts_for("a/7", "a/7.1"));
  EXPECT_FALSE(acts_for("b", "a"));
}

TEST(Owner, ALongOwnerIsKeptWhole) {
  const std::string process(300, 'p');
  EXPECT_EQ(TaskOwner(process, 12).view(), process + ".12");
}

}  // namespace
}  // namespace tidelock::lock
