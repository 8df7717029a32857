#include "tidelock/base/errno_error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace tidelock::base {
namespace {

TEST(ErrnoError, EveryErrnoHasTheCodeThatACallerReactsTo) {
  const std::vector<std::pair<int, Code>> table{
      {ENOENT, Code::not_found},
      {ESRCH, Code::not_found},
      {EEXIST, Code::already_exists},
      {EACCES, Code::permission_denied},
      {EPERM, Code::permission_denied},
      {EROFS, Code::read_only},
      {ENOSPC, Code::disk_full},
      {EDQUOT, Code::disk_full},
      {EFBIG, Code::too_large},
      {E2BIG, Code::too_large},
      {EOVERFLOW, Code::too_large},
      {EINVAL, Code::invalid_argument},
      {EISDIR, Code::invalid_argument},
      {ENOTDIR, Code::invalid_argument},
      {ENOTEMPTY, Code::invalid_argument},
      {ENAMETOOLONG, Code::invalid_argument},
      {ELOOP, Code::invalid_argument},
      {EXDEV, Code::invalid_argument},
      {ENXIO, Code::invalid_argument},
      {ESPIPE, Code::invalid_argument},
      {ENODEV, Code::invalid_argument},
      {ENOEXEC, Code::invalid_argument},
      {ENOSYS, Code::unsupported},
      {EOPNOTSUPP, Code::unsupported},
      {ENOLCK, Code::unsupported},
      {EBADF, Code::misuse},
      {EAGAIN, Code::unavailable},
      {EBUSY, Code::unavailable},
      {ETXTBSY, Code::unavailable},
      {ENOMEM, Code::unavailable},
      {EMFILE, Code::unavailable},
      {ENFILE, Code::unavailable},
      {EIO, Code::io_error},
      {EPIPE, Code::io_error},
      {0, Code::io_error},
      {-1, Code::io_error},
      {99999, Code::io_error},
  };
  for (const auto& [number, code] : table) EXPECT_EQ(name(errno_code(number)), name(code)) << number;
}

TEST(ErrnoError, NamesThePathTheDeedAndTheSystemsOwnWords) {
  const auto error = errno_error(ENOSPC, "/data/x.db", "it could not be written");
  EXPECT_STREQ(error.what(), "/data/x.db: it could not be written [No space left on device (28)]");
  EXPECT_EQ(error.code(), Code::disk_full);
  EXPECT_EQ(error.object(), "/data/x.db");
  EXPECT_EQ(error.native()->code, ENOSPC);
  EXPECT_STREQ(errno_error(EMFILE, {}, "no pipe could be made").what(),
               "no pipe could be made [Too many open files (24)]");
}

// As where an error is told by another code: `error.native().value_or(Error::Native{})`.
TEST(Error, WithoutWordsOfABackendHasNoBrackets) {
  const Error error(Code::unavailable, "no connection", Error::Native{});
  EXPECT_STREQ(error.what(), "no connection");
  EXPECT_FALSE(error.native());
  EXPECT_STREQ(Error(Code::io_error, "refused", {.code = 7, .message = "by it"}).what(), "refused [by it (7)]");
}

}  // namespace
}  // namespace tidelock::base
