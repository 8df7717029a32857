#include "tidelock/cli/process_tree.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_set>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/error.h"
#include "tidelock/base/process_info.h"

namespace tidelock::cli {
namespace {

// "pid (command) state ppid pgrp session … starttime …": the command may hold anything, also parentheses.
std::optional<ProcessInfo> parse_stat(const std::string& text) {
  const auto command_end = text.rfind(')');
  if (command_end == text.npos) return std::nullopt;
  ProcessInfo process;
  std::from_chars(text.data(), text.data() + text.size(), process.pid);
  std::istringstream fields(text.substr(command_end + 1));
  char state = '?';
  fields >> state >> process.parent >> process.group;
  process.ended = state == 'Z' || state == 'X';
  std::string skipped;
  constexpr int kFieldsBeforeStart = 16;  // Fields 6 to 21 of proc(5); the start is field 22.
  for (int i = 0; i < kFieldsBeforeStart; ++i) fields >> skipped;
  fields >> process.started_ticks;
  if (!fields) return std::nullopt;
  return process;
}

std::optional<ProcessInfo> read_process(base::Files& files, const base::Path& folder) {
  try {
    return parse_stat(files.read(folder / "stat"));
  } catch (const Error&) {
    return std::nullopt;  // It ended meanwhile.
  }
}

}  // namespace

std::vector<ProcessInfo> descendants(base::Files& files, pid_t root, const base::Path& proc) {
  std::vector<ProcessInfo> others;
  for (const auto& name : files.list(proc)) {
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (const auto process = read_process(files, proc / name)) others.push_back(*process);
  }
  std::vector<ProcessInfo> found;
  std::unordered_set<pid_t> family{root};
  for (bool grew = true; grew;) {
    const auto mine = std::partition(others.begin(), others.end(),
                                     [&](const ProcessInfo& process) { return !family.contains(process.parent); });
    grew = mine != others.end();
    for (auto process = mine; process != others.end(); ++process) family.insert(process->pid);
    found.insert(found.end(), mine, others.end());
    others.erase(mine, others.end());
  }
  return found;
}

bool send_signal(const ProcessInfo& process, int signal) {
  const base::Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (!handle) return false;
  // The handle stands for whoever has the pid now: is that still the one that was seen?
  if (!base::process_alive(process.pid, process.started_ticks)) return false;
  return ::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0) == 0;
}

}  // namespace tidelock::cli
