#include "tidelock/cli/output.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace tidelock::cli {
namespace {

using ::testing::HasSubstr;

// A place that takes so many bytes, and fails with this errno then.
class Full : public std::streambuf {
 public:
  Full(std::streamsize room, int number) : room_(room), number_(number) {}

 protected:
  int_type overflow(int_type c) override {
    const char byte = traits_type::to_char_type(c);
    return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
  }
  std::streamsize xsputn(const char*, std::streamsize size) override {
    const auto taken = std::min(size, room_);
    room_ -= taken;
    if (taken < size) errno = number_;
    return taken;
  }

 private:
  std::streamsize room_;
  int number_;
};

OutputLost lost_by(int number) {
  Full full(4, number);
  OutputBuffer buffer(full);
  std::ostream out(&buffer);
  out << "abc" << 'd';
  EXPECT_NO_THROW(check_output(out));
  out << "efg";
  errno = EAGAIN;  // Of something else, since then.
  out << std::flush;
  try {
    check_output(out);
  } catch (const OutputLost& lost) {
    return lost;
  }
  ADD_FAILURE() << "nothing was thrown";
  return OutputLost(0);
}

TEST(Output, HandsOnWhatIsWritten) {
  std::stringbuf to;
  OutputBuffer buffer(to);
  std::ostream out(&buffer);
  out << "a" << 'b' << 12 << std::flush;
  EXPECT_EQ(to.str(), "ab12");
  EXPECT_EQ(buffer.failed_with(), 0);
}

TEST(Output, ThatIsLostSaysWhyAndBlamesNeitherTheCommandLineNorTheProgram) {
  EXPECT_EQ(lost_by(ENOSPC).code(), Code::disk_full);
  EXPECT_EQ(lost_by(EDQUOT).code(), Code::disk_full);
  EXPECT_EQ(lost_by(EFBIG).code(), Code::too_large);
  for (const int number : {EIO, EBADF, EINVAL, EAGAIN, ENXIO, EPERM}) {
    const auto lost = lost_by(number);
    EXPECT_EQ(lost.code(), Code::io_error) << number;
    EXPECT_THAT(lost.what(), HasSubstr("could not be written"));
    EXPECT_THAT(lost.what(), HasSubstr("(" + std::to_string(number) + ")"));
    EXPECT_FALSE(lost.reader_has_gone());
    EXPECT_EQ(Failure::of(lost).exit, 1) << number;
  }
  EXPECT_TRUE(lost_by(EPIPE).reader_has_gone());
  EXPECT_EQ(OutputLost(0).code(), Code::io_error);
}

}  // namespace
}  // namespace tidelock::cli
