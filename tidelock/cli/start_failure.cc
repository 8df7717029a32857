#include "tidelock/cli/start_failure.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

#include "tidelock/base/errno_error.h"
#include "tidelock/base/real_path.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/exit_code.h"

namespace tidelock::cli {
namespace {

// A file of that name, a symlink also when it leads nowhere. A name without a slash is looked for in PATH.
std::optional<base::Path> find_program(const std::string& program, base::Files& files) {
  const auto exists = [&](const base::Path& path) {
    try {
      return files.info(path).has_value();
    } catch (const Error&) {
      return false;
    }
  };
  if (program.find('/') != program.npos) return exists(program) ? std::optional<base::Path>(program) : std::nullopt;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (const auto candidate = base::Path(folder) / program; exists(candidate)) return candidate;
  }
  return std::nullopt;
}

// Of a script: what stands behind its "#!".
std::optional<std::string> interpreter_of(const base::Path& path, base::Files& files) {
  std::array<std::byte, 256> head{};
  try {
    const auto count = files.open(path, base::OpenMode::read)->read_at(0, head);
    const std::string_view text(reinterpret_cast<const char*>(head.data()), count);
    if (!text.starts_with("#!")) return std::nullopt;
    std::istringstream line{std::string(text.substr(2, text.find('\n') - 2))};
    std::string interpreter;
    line >> interpreter;
    return interpreter;
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_folder(const base::Path& path, base::Files& files) {
  const auto info = files.info(base::real_path(files, path));
  return info && info->kind == base::FileInfo::Kind::folder;
}

struct Reason {
  std::string why;
  std::string next;
  bool missing = false;
};

// The kernel says "no such file" of the program, of what it links to, and of what is to run it.
Reason not_there(const std::string& program, base::Files& files) {
  const auto path = find_program(program, files);
  if (!path) return {"there is no such command", "check its name and PATH", true};
  if (!files.info(base::real_path(files, *path))) {
    return {path->string() + " is a link to a file that does not exist", "mend the link", true};
  }
  if (const auto interpreter = interpreter_of(*path, files)) {
    return {fmt::format("its interpreter {} does not exist", base::quoted(*interpreter)),
            fmt::format("install it, or change the first line of {}", path->string())};
  }
  return {fmt::format("what {} needs to be loaded does not exist", path->string()), "install its loader (see ldd)"};
}

Reason reason_for(const std::string& program, int error, base::Files& files) {
  switch (error) {
    case ENOENT:
      return not_there(program, files);
    case EACCES: {
      const auto path = find_program(program, files);
      if (path && is_folder(*path, files)) return {"it is a folder", "name a program"};
      return {"it is not executable for this user", "make it an executable file"};
    }
    case ELOOP:
      return {"its path leads through symlinks in a circle", "mend the links"};
    case ENAMETOOLONG:
      return {"its name is too long", "check its name", true};
    case ENOTDIR:
      return {"its path leads through a file that is no folder", "check its name", true};
    case ETXTBSY:
      return {"somebody has it open for writing", "run it again when it is written"};
    case EAGAIN:
      return {"this user may start no further process", "run it again when fewer run, or raise `ulimit -u`"};
    case ENOMEM:
      return {"there is no memory left for it", "run it again when there is"};
    case E2BIG:
      return {"its arguments and its environment are too long together", "make them shorter"};
    default:
      return {std::generic_category().message(error), "look at the file"};
  }
}

}  // namespace

Failure cannot_start(const std::string& program, int error, base::Files& files) {
  Reason reason;
  try {
    reason = reason_for(program, error, files);
  } catch (const Error&) {  // The file cannot be looked at.
    reason = {std::generic_category().message(error), "look at the file"};
  }
  return {.code = base::errno_code(error),
          .what = fmt::format("cannot run {}: {}", base::quoted(program), reason.why),
          .next = reason.next,
          .exit = number(reason.missing ? Exit::not_found : Exit::not_executable)};
}

}  // namespace tidelock::cli
