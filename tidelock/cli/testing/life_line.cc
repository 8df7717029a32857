#include "tidelock/cli/testing/life_line.h"

#include <fcntl.h>

#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include "tidelock/base/poll.h"

namespace tidelock::cli::testing {

using namespace std::chrono_literals;

::testing::AssertionResult eventually(base::Runtime& runtime, const std::function<bool()>& holds) {
  const auto deadline = runtime.in(kPatience);
  while (!holds()) {
    if (deadline.passed(runtime.now())) return ::testing::AssertionFailure() << "it did not happen in time";
    runtime.sleep_for(2ms);
  }
  return ::testing::AssertionSuccess();
}

std::string line_of(base::Runtime& runtime, base::Files& files, const base::Path& path) {
  std::string content;
  EXPECT_TRUE(eventually(runtime, [&] {
    if (files.info(path)) content = files.read(path);
    return content.find('\n') != content.npos;
  })) << path;
  return content.substr(0, content.find('\n'));
}

LifeLine::LifeLine() {
  auto pipe = base::make_pipe();
  read_end_ = std::move(pipe.read_end);
  write_end_ = std::move(pipe.write_end);
  ::fcntl(write_end_.get(), F_SETFD, 0);  // Inherited.
}

::testing::AssertionResult LifeLine::ends(base::Runtime& runtime) {
  release();
  const auto deadline = runtime.in(kPatience);
  for (;;) {
    base::Poll poll(runtime);
    poll.add(read_end_.get());
    if (!poll.wait(deadline)) return ::testing::AssertionFailure() << "a process is still there";
    std::array<std::byte, 256> ignored;
    if (base::read_some(read_end_, ignored) == std::size_t{0}) return ::testing::AssertionSuccess();
  }
}

std::string LifeLine::read_line(base::Runtime& runtime) {
  const auto deadline = runtime.in(kPatience);
  for (std::string line;;) {
    base::Poll poll(runtime);
    poll.add(read_end_.get());
    std::byte byte{};
    if (!poll.wait(deadline) || base::read_some(read_end_, std::span(&byte, 1)).value_or(0) == 0) {
      ADD_FAILURE() << "no line came, only \"" << line << "\"";
      return line;
    }
    if (byte == std::byte{'\n'}) return line;
    line.push_back(static_cast<char>(byte));
  }
}

}  // namespace tidelock::cli::testing
