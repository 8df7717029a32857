#include "tidelock/base/process_locks.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

namespace tidelock::base {
namespace {

namespace fs = std::filesystem;

constexpr int kDescriptorsMost = 100'000;  // To look at, all processes together.

// proc(5), of /proc/locks; the files of fdinfo have such lines too:
//   1: POSIX  ADVISORY  WRITE 20902 fe:00:10150060 120 120
//   2: OFDLCK ADVISORY  READ -1 fe:00:10150058 0 EOF
struct LockLine {
  bool of_an_opening;
  std::string file;  // Device and inode.
  ProcessLock lock;
};

// Empty for other kinds of locks, and for who only waits.
std::optional<LockLine> parse_lock_line(const std::string& line) {
  std::istringstream fields(line);
  std::string number, kind, advisory, access, file, last;
  std::int64_t pid = 0;
  std::uint64_t first = 0;
  fields >> number >> kind >> advisory >> access >> pid >> file >> first >> last;
  if (!fields || (kind != "POSIX" && kind != "OFDLCK")) return std::nullopt;
  ByteRange range{.offset = first, .length = 0};
  if (last != "EOF") {
    std::uint64_t end = 0;
    if (std::from_chars(last.data(), last.data() + last.size(), end).ec != std::errc() || end < first) return {};
    range.length = end - first + 1;
  }
  return LockLine{kind == "OFDLCK", file, {static_cast<pid_t>(pid), access == "WRITE", range}};
}

// Each line that is about a lock on the file; `before`: what stands before it.
template <typename Take>
void read_lock_lines(const std::string& path, std::string_view before, const std::string& file, Take&& take) {
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(before)) continue;
    const auto found = parse_lock_line(line.substr(before.size()));
    if (found && found->file == file) take(*found);
  }
}

// Names of a folder of /proc that are numbers; few or none where it may not be looked at or goes away meanwhile.
std::vector<std::string> numbers_in(const std::string& folder) {
  std::vector<std::string> numbers;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    auto name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) numbers.push_back(std::move(name));
  }
  return numbers;
}

// The kernel does not tell of which process a lock of an opening is: whoever has the file open that way is asked.
void add_locks_of_openings(const Path& path, const std::string& file, std::vector<ProcessLock>& locks) {
  std::error_code error;
  const auto real = fs::canonical(path, error);
  if (error) return;
  int left = kDescriptorsMost;
  for (const auto& process : numbers_in("/proc")) {
    const auto folder = "/proc/" + process;
    for (const auto& descriptor : numbers_in(folder + "/fd")) {
      if (--left < 0) return;
      if (fs::read_symlink(fmt::format("{}/fd/{}", folder, descriptor), error) != real || error) continue;
      read_lock_lines(fmt::format("{}/fdinfo/{}", folder, descriptor), "lock:", file, [&](LockLine found) {
        if (!found.of_an_opening) return;
        found.lock.pid = static_cast<pid_t>(std::stol(process));
        locks.push_back(found.lock);
      });
    }
  }
}

}  // namespace

std::vector<ProcessLock> process_locks(const Path& path) {
  std::vector<ProcessLock> locks;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return locks;
  const auto file = fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
  bool some_of_openings = false;
  read_lock_lines("/proc/locks", "", file, [&](const LockLine& found) {
    if (found.of_an_opening) {
      some_of_openings = true;
    } else if (found.lock.pid > 0) {  // 0: of another namespace.
      locks.push_back(found.lock);
    }
  });
  if (some_of_openings) add_locks_of_openings(path, file, locks);
  return locks;
}

}  // namespace tidelock::base
