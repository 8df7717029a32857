#include "tidelock/base/process_locks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"

namespace tidelock::base {
namespace {

class ProcessLocksTest : public ::testing::Test {
 protected:
  ProcessLocksTest() { files_.open(path_, OpenMode::create); }
  ~ProcessLocksTest() override {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
  // A child that does so and then goes on.
  pid_t start(const std::function<void()>& act) {
    auto done = make_pipe();
    const pid_t child = fork();
    if (child == 0) {
      act();
      write_all(done.write_end, "y");
      for (;;) pause();
    }
    children_.push_back(child);
    std::byte answer{};
    EXPECT_EQ(read_some(done.read_end, {&answer, 1}), 1U);
    return child;
  }
  void lock_for_the_process(short type, off_t start, off_t length) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = start;
    lock.l_len = length;
    locked_.reset(open(path_.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_EQ(fcntl(locked_.get(), F_SETLK, &lock), 0);
  }

  testing::TempFolder folder_;
  RealRuntime runtime_;
  RealFiles files_{runtime_};
  const Path path_ = folder_ / "x";
  Descriptor locked_;
  std::vector<pid_t> children_;
};

TEST_F(ProcessLocksTest, EachProcessThatHoldsSomeIsToldWithItsBytes) {
  EXPECT_TRUE(process_locks(path_).empty());
  EXPECT_TRUE(process_locks(folder_ / "missing").empty());
  const auto writer = start([&] { lock_for_the_process(F_WRLCK, 120, 2); });
  const auto reader = start([&] { lock_for_the_process(F_RDLCK, 200, 0); });
  const auto locks = process_locks(path_);
  ASSERT_EQ(locks.size(), 2U);
  const auto& first = locks[locks[0].pid == writer ? 0 : 1];
  const auto& second = locks[locks[0].pid == writer ? 1 : 0];
  EXPECT_EQ(first.pid, writer);
  EXPECT_TRUE(first.exclusive);
  EXPECT_EQ(first.range.offset, 120U);
  EXPECT_EQ(first.range.length, 2U);
  EXPECT_EQ(second.pid, reader);
  EXPECT_FALSE(second.exclusive);
  EXPECT_EQ(second.range.offset, 200U);
  EXPECT_EQ(second.range.length, 0U);
}

TEST_F(ProcessLocksTest, ALockOfAnOpeningIsThatOfTheProcessThatHasItOpen) {
  std::unique_ptr<File> kept;
  const auto holder = start([&] {
    kept = files_.open(path_, OpenMode::read_write);
    kept->try_lock(LockKind::exclusive, {.offset = 7, .length = 1});
  });
  const auto mine = files_.open(path_, OpenMode::read);  // Without a lock.
  std::filesystem::create_symlink(path_, folder_ / "link");
  for (const auto& spelled : {path_, Path(folder_ / "link")}) {
    const auto locks = process_locks(spelled);
    ASSERT_EQ(locks.size(), 1U);
    EXPECT_EQ(locks[0].pid, holder);
    EXPECT_TRUE(locks[0].exclusive);
    EXPECT_EQ(locks[0].range.offset, 7U);
  }
}

TEST_F(ProcessLocksTest, WhoOnlyWaitsHoldsNothing) {
  lock_for_the_process(F_WRLCK, 0, 0);
  auto begun = make_pipe();
  const pid_t child = fork();
  if (child == 0) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    write_all(begun.write_end, "y");
    fcntl(fd, F_SETLKW, &lock);
    for (;;) pause();
  }
  children_.push_back(child);
  std::byte answer{};
  ASSERT_EQ(read_some(begun.read_end, {&answer, 1}), 1U);
  for (int i = 0; i < 100; ++i) {  // Whether it waits already or not yet.
    const auto locks = process_locks(path_);
    ASSERT_EQ(locks.size(), 1U);
    EXPECT_EQ(locks[0].pid, getpid());
  }
}

}  // namespace
}  // namespace tidelock::base
