#include "tidelock/base/real_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

class RealFilesTest : public ::testing::Test {
 protected:
  std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

  testing::TempFolder folder_;
  RealRuntime runtime_;
  RealFiles files_{runtime_};
};

TEST_F(RealFilesTest, ALockOfAnotherProcessExcludesUntilThatProcessIsKilled) {
  const auto path = folder_ / "x";
  const auto file = files_.open(path, OpenMode::create);
  auto locked = make_pipe();
  const pid_t child = fork();
  if (child == 0) {
    const auto theirs = files_.open(path, OpenMode::read_write);
    write_all(locked.write_end, theirs->try_lock(LockKind::exclusive) ? "y" : "n");
    for (;;) pause();
  }
  std::byte answer{};
  ASSERT_EQ(read_some(locked.read_end, {&answer, 1}), 1U);
  EXPECT_EQ(static_cast<char>(answer), 'y');
  EXPECT_FALSE(file->try_lock(LockKind::exclusive));
  EXPECT_FALSE(file->try_lock(LockKind::shared));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(file->try_lock(LockKind::exclusive));
}

TEST_F(RealFilesTest, AnExclusiveLockNeedsAFileOpenedForWriting) {
  files_.open(folder_ / "x", OpenMode::create);
  const auto reader = files_.open(folder_ / "x", OpenMode::read);
  EXPECT_TRUE(reader->try_lock(LockKind::shared));
  EXPECT_THROW_CODE(reader->try_lock(LockKind::exclusive), Code::misuse);
  EXPECT_THROW_CODE(reader->write_at(0, bytes("x")), Code::misuse);
}

TEST_F(RealFilesTest, ADescriptorIsNotInheritedByPrograms) {
  const auto before = open("/dev/null", O_RDONLY);
  close(before);  // The next descriptor has this number.
  const auto file = files_.open(folder_ / "x", OpenMode::create);
  EXPECT_EQ(fcntl(before, F_GETFD), FD_CLOEXEC);
}

TEST_F(RealFilesTest, AFileOfProcWhichTellsNoSizeIsReadWhole) {
  EXPECT_EQ(files_.open("/proc/self/maps", OpenMode::read)->size(), 0U);
  EXPECT_GT(files_.read("/proc/self/maps").size(), 1000U);
}

TEST_F(RealFilesTest, ADeviceWithoutSpaceIsDiskFull) {
  const auto file = files_.open("/dev/full", OpenMode::read_write);
  EXPECT_THROW_CODE(file->write_at(0, bytes("x")), Code::disk_full);
}

TEST_F(RealFilesTest, AFileThatMayNotBeWrittenIsPermissionDenied) {
  // Of /proc/sys, because there the superuser is refused too.
  EXPECT_THROW_CODE(files_.open("/proc/sys/kernel/random/boot_id", OpenMode::read_write), Code::permission_denied);
}

TEST_F(RealFilesTest, OpeningANamedPipeDoesNotWaitForItsOtherEnd) {
  const auto path = folder_ / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(files_.info(path)->kind, FileInfo::Kind::other);
  std::byte one{};
  const auto opened = files_.open(path, OpenMode::read);
  EXPECT_THROW_CODE(opened->read_at(0, {&one, 1}), Code::invalid_argument);
}

TEST_F(RealFilesTest, AnOffsetBeyondEveryFileIsRefused) {
  const auto file = files_.open(folder_ / "x", OpenMode::create);
  EXPECT_THROW_CODE(file->write_at(std::uint64_t{1} << 63, bytes("x")), Code::too_large);
  EXPECT_THROW_CODE(file->truncate(~std::uint64_t{0}), Code::too_large);
  EXPECT_THROW_CODE(file->map(0, 0), Code::invalid_argument);
}

TEST_F(RealFilesTest, PermissionsAreSet) {
  const auto path = folder_ / "x";
  files_.open(path, OpenMode::create);
  files_.set_mode(path, 0444);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0444U);
}

// As `cp --archive`, tar and rsync do after they have put a file there.
TEST_F(RealFilesTest, ThatATimeWasPutBackDoesNotHideAChange) {
  const auto change_secretly = [&](const Path& path, const auto& change) {
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    change();
    const timespec times[] = {status.st_atim, status.st_mtim};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  };
  // Again and again, until the clock of the file system has ticked.
  const auto expect_seen = [&](const Path& path, const auto& change) {
    const auto before = files_.info(path)->change_stamp;
    const Deadline deadline = runtime_.in(10s);
    while (files_.info(path)->change_stamp == before && !deadline.passed(runtime_.now())) change_secretly(path, change);
    EXPECT_NE(files_.info(path)->change_stamp, before) << path;
  };
  const auto file = files_.open(folder_ / "x", OpenMode::create);
  expect_seen(folder_ / "x", [&] { file->write_at(0, bytes("y")); });
  expect_seen(folder_.path(), [&] {
    files_.open(folder_ / "z", OpenMode::create);
    files_.remove(folder_ / "z");
  });
}

TEST_F(RealFilesTest, AFullDiskKeepsTheOldContentAndIsTidiedUp) {
  if (mount("tidelock-test", folder_.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "a small file system cannot be mounted here (it takes root)";
  }
  const std::shared_ptr<void> mounted(nullptr, [&](void*) { umount2(folder_.path().c_str(), MNT_DETACH); });
  const auto path = folder_ / "x";
  files_.write_atomically(path, "old");
  EXPECT_THROW_CODE(files_.write_atomically(path, std::string(100'000, 'n')), Code::disk_full);
  EXPECT_EQ(files_.read(path), "old");
  EXPECT_EQ(files_.list(folder_.path()), std::vector<std::string>{"x"});
  EXPECT_THROW_CODE(files_.open(path, OpenMode::read_write)->map(0, 100'000), Code::disk_full);
}

TEST_F(RealFilesTest, AWatchedFolderThatIsRemovedIsToldOnceAndThenAnError) {
  const auto gone = folder_ / "gone";
  files_.create_folders(gone);
  const auto watch = files_.watch(gone);
  files_.remove(gone);
  EXPECT_TRUE(watch->wait(runtime_.in(1min)));
  EXPECT_THROW_CODE(watch->wait(runtime_.in(1min)), Code::not_found);
}

TEST_F(RealFilesTest, AWatchedFileDoesNotTellOfItsNeighbours) {
  files_.write_atomically(folder_ / "x", "one");
  const auto watch = files_.watch(folder_ / "x");
  files_.write_atomically(folder_ / "y", "two");
  EXPECT_FALSE(watch->wait(runtime_.in(1ms)));
}

}  // namespace
}  // namespace tidelock::base
