#include "tidelock/base/process_info.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <sstream>
#include <string_view>

#include "tidelock/base/ascii.h"
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

// "pid (name) state ppid pgrp session … starttime …": the name may hold anything, also parentheses.
std::optional<ProcessInfo> parse_stat(const std::string& text) {
  const auto name_end = text.rfind(')');
  if (name_end == text.npos) return std::nullopt;
  ProcessInfo process;
  std::from_chars(text.data(), text.data() + text.size(), process.pid);
  std::istringstream fields(text.substr(name_end + 1));
  char state = '?';
  fields >> state >> process.parent >> process.group >> process.session;
  process.ended = state == 'Z' || state == 'X';
  std::string skipped;
  constexpr int kFieldsBeforeStart = 15;  // Fields 7 to 21 of proc(5); the start is field 22.
  for (int i = 0; i < kFieldsBeforeStart; ++i) fields >> skipped;
  fields >> process.started_ticks;
  if (!fields) return std::nullopt;
  return process;
}

std::optional<ProcessInfo> find_process(pid_t pid) {
  return pid > 0 ? parse_stat(read_proc(pid, "stat", 4096)) : std::nullopt;
}

}  // namespace

std::vector<ProcessInfo> all_processes(Files& files, const Path& proc) {
  std::vector<ProcessInfo> all;
  for (const auto& name : files.list(proc)) {
    if (name.empty() || !std::ranges::all_of(name, ascii::is_digit)) continue;
    try {
      if (const auto process = parse_stat(files.read(proc / name / "stat"))) all.push_back(*process);
    } catch (const Error&) {  // It ended meanwhile.
    }
  }
  return all;
}

bool process_exists(pid_t pid) {
  if (const auto process = find_process(pid)) return !process->ended;
  return pid > 0 && (::kill(pid, 0) == 0 || errno != ESRCH);
}

std::optional<std::uint64_t> process_start_time(pid_t pid) {
  const auto process = find_process(pid);
  return process && !process->ended ? std::optional(process->started_ticks) : std::nullopt;
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
