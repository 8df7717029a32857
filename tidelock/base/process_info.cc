#include "tidelock/base/process_info.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

// A file of /proc/<pid>; empty when it cannot be read, as when the process ends meanwhile.
std::string read_proc(pid_t pid, std::string_view name, std::size_t limit_bytes) {
  const Descriptor file(::open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  if (!file) return content;
  std::array<std::byte, 1024> buffer;
  try {
    while (content.size() < limit_bytes) {
      const auto count = read_some(file, buffer).value_or(0);
      if (count == 0) break;
      content.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
  } catch (const Error&) {
    content.clear();
  }
  return content;
}

}  // namespace

std::optional<std::uint64_t> process_start_time(pid_t pid) {
  // proc(5): "pid (name) state …", and the start is field 22. The name may hold anything, so begin behind its end.
  const auto stat = read_proc(pid, "stat", 4096);
  const auto name_end = stat.rfind(')');
  if (pid <= 0 || name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state;
  fields >> state;  // Field 3.
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  std::uint64_t start_time = 0;
  if (!(fields >> start_time) || state == "Z" || state == "X") return std::nullopt;
  return start_time;
}

bool process_alive(pid_t pid, std::uint64_t start_time) { return process_start_time(pid) == start_time; }

std::string process_command_line(pid_t pid, std::size_t limit_bytes) {
  if (pid <= 0) return {};
  auto line = read_proc(pid, "cmdline", limit_bytes + 4);
  while (!line.empty() && line.back() == '\0') line.pop_back();
  std::replace(line.begin(), line.end(), '\0', ' ');
  if (line.empty()) {
    line = read_proc(pid, "comm", 64);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    if (line.empty()) return {};
    line = '[' + line + ']';
  }
  const auto safe = base::quoted(line, limit_bytes);
  return safe.substr(1, safe.size() - 2);
}

std::string process_in_words(pid_t pid) {
  const auto command = process_command_line(pid);
  return fmt::format("process {} ({})", pid, command.empty() ? "another user's process" : base::quoted(command));
}

}  // namespace tidelock::base
