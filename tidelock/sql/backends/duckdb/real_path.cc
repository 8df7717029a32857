#include "tidelock/sql/backends/duckdb/real_path.h"

#include <deque>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql::duckdb {
namespace {

// As the kernel: more is a circle.
constexpr int kSymlinksMax = 40;

void push_front(std::deque<base::Path>& names, const base::Path& path) {
  const auto relative = path.relative_path();
  names.insert(names.begin(), relative.begin(), relative.end());
}

}  // namespace

base::Path real_path(base::Files& files, const base::Path& path) {
  base::Path resolved = path.is_absolute() ? base::Path("/") : files.read_symlink("/proc/self/cwd");
  std::deque<base::Path> names;
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

}  // namespace tidelock::sql::duckdb
