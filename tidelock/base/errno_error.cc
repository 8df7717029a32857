#include "tidelock/base/errno_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace tidelock::base {

Code errno_code(int number) {
  switch (number) {
    case ENOENT:
    case ESRCH:
      return Code::not_found;
    case EEXIST:
      return Code::already_exists;
    case EACCES:
    case EPERM:
      return Code::permission_denied;
    case EROFS:
      return Code::read_only;
    case ENOSPC:
    case EDQUOT:
      return Code::disk_full;
    case EFBIG:
    case E2BIG:
    case EOVERFLOW:
      return Code::too_large;
    case EINVAL:
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV:
    case ENXIO:
    case ESPIPE:
    case ENODEV:
    case ENOEXEC:
      return Code::invalid_argument;
    case ENOSYS:
    case EOPNOTSUPP:
    case ENOLCK:  // A file system without locks.
      return Code::unsupported;
    case EBADF:  // A write to a file opened for reading.
      return Code::misuse;
    case EAGAIN:
    case EBUSY:
    case ETXTBSY:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return Code::unavailable;
    default:
      return Code::io_error;
  }
}

Error errno_error(int number, const Path& path, std::string_view what) {
  return {errno_code(number), path.empty() ? std::string(what) : fmt::format("{}: {}", path.string(), what),
          Error::Native{number, std::generic_category().message(number)}, path.string()};
}

}  // namespace tidelock::base
