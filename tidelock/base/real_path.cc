#include "tidelock/base/real_path.h"

#include <deque>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

// As the kernel: more is a circle.
constexpr int kSymlinksMax = 40;

void push_front(std::deque<Path>& names, const Path& path) {
  const auto relative = path.relative_path();
  names.insert(names.begin(), relative.begin(), relative.end());
}

}  // namespace

Path real_path(Files& files, const Path& path) {
  constexpr auto kHere = "/proc/self/cwd";  // A model disk has none: relative paths start at "/" there.
  Path resolved = !path.is_absolute() && files.info(kHere) ? files.read_symlink(kHere) : Path("/");
  std::deque<Path> names;
  push_front(names, path);
  int symlinks = 0;
  while (!names.empty()) {
    const auto name = std::move(names.front());
    names.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      resolved = resolved.parent_path();
      continue;
    }
    auto next = resolved / name;
    const auto info = files.info(next);
    if (!info || info->kind != base::FileInfo::Kind::symlink) {
      resolved = std::move(next);
      continue;
    }
    if (++symlinks > kSymlinksMax) {
      throw Error(Code::invalid_argument, base::quoted(path.string()) + " leads through symlinks in a circle");
    }
    const auto target = files.read_symlink(next);
    if (target.is_absolute()) resolved = "/";
    push_front(names, target);
  }
  return resolved;
}

}  // namespace tidelock::base
