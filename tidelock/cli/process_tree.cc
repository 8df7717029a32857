#include "tidelock/cli/process_tree.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <unordered_set>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/error.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kKillPause = 2ms;  // Between rounds; grows.
constexpr base::Duration kKillPauseMax = 500ms;

}  // namespace

std::vector<ProcessInfo> descendants(base::Files& files, pid_t root, const base::Path& proc) {
  auto others = base::all_processes(files, proc);
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

std::vector<ProcessInfo> in_session(base::Files& files, pid_t session, const base::Path& proc) {
  auto found = base::all_processes(files, proc);
  std::erase_if(found, [&](const ProcessInfo& process) { return process.session != session; });
  return found;
}

Sent send_signal(const ProcessInfo& process, int signal) {
  const base::Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (!handle) return Sent::gone;
  // The handle stands for whoever has the pid now: is that still the one that was seen?
  if (!base::process_alive(process.pid, process.started_ticks)) return Sent::gone;
  if (::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0) == 0) return Sent::done;
  return errno == EPERM ? Sent::denied : Sent::gone;
}

int kill_all(base::Runtime& runtime, const std::function<std::vector<ProcessInfo>()>& find) {
  for (auto pause = kKillPause;; pause = std::min(2 * pause, kKillPauseMax)) {
    std::vector<ProcessInfo> found;
    try {
      found = find();
      std::erase_if(found, [](const ProcessInfo& process) { return process.ended; });
      const auto left = std::ranges::count_if(
          found, [](const ProcessInfo& process) { return send_signal(process, SIGKILL) == Sent::denied; });
      if (static_cast<std::size_t>(left) == found.size()) return static_cast<int>(left);
    } catch (const Error&) {  // The system is out of what it takes to look.
    }
    runtime.sleep_for(pause);
  }
}

}  // namespace tidelock::cli
