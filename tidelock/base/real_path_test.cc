#include "tidelock/base/real_path.h"

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

class RealPath : public ::testing::Test {
 protected:
  base::Path real(const base::Path& path) { return real_path(files_, path); }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder folder_;
};

TEST_F(RealPath, ResolvesWhatTheKernelResolves) {
  namespace fs = std::filesystem;
  fs::create_directories(folder_ / "a" / "b");
  fs::create_directory_symlink("../a/b", folder_ / "a" / "relative");
  fs::create_directory_symlink(folder_ / "a", folder_ / "absolute");
  fs::create_symlink("absolute/relative/file", folder_ / "file");
  for (const auto* path : {"a", "a/b/../b/.", "a/relative", "absolute/relative", "absolute//b", "a/relative/.."}) {
    EXPECT_EQ(real(folder_ / path), fs::canonical(folder_ / path)) << path;
  }
  EXPECT_EQ(real(folder_ / "file"), folder_ / "a" / "b" / "file");  // Which is not there yet.
  EXPECT_EQ(real("/.."), "/");
  EXPECT_EQ(real("x/y"), fs::current_path() / "x" / "y");
}

TEST_F(RealPath, ACircleOfSymlinksIsRefused) {
  std::filesystem::create_symlink("b", folder_ / "a");
  std::filesystem::create_symlink("a", folder_ / "b");
  EXPECT_THROW_CODE(real(folder_ / "a"), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::base
