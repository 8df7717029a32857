#include "tidelock/lock/backends/sql/folder_stamp.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tidelock/world/testing.h"

namespace tidelock::lock {
namespace {

using namespace std::chrono_literals;

WORLD_TEST(FolderStamp, IsKnownOnceItWasSeenForLongerThanATickAndUntilANameChanges) {
  files.create_folders("/state");
  FolderStamp folder(runtime, files, "/state");
  const auto first = *folder.look();
  EXPECT_FALSE(folder.is_known(first));
  folder.approve(first);
  EXPECT_FALSE(folder.is_known(first)) << "a change in the same tick would not be seen";
  runtime.sleep_for(5ms);
  folder.approve(*folder.look());
  EXPECT_FALSE(folder.is_known(*folder.look()));
  runtime.sleep_for(20ms);
  folder.approve(*folder.look());
  EXPECT_TRUE(folder.is_known(*folder.look()));
  files.open("/state/x", base::OpenMode::create);
  const auto changed = *folder.look();
  EXPECT_FALSE(folder.is_known(changed));
  folder.approve(changed);
  EXPECT_FALSE(folder.is_known(changed));
  EXPECT_FALSE(folder.is_known(first));
  files.rename("/state", "/elsewhere");
  EXPECT_FALSE(folder.look());
}

}  // namespace
}  // namespace tidelock::lock
