#include "tidelock/base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "tidelock/base/errno_error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

void require(int failed, std::string_view what) {
  if (failed != 0) throw errno_error(failed, {}, what);
}

// The arguments of posix_spawn. It suspends this thread until the child has become the program, runs nothing in the
// child that is not safe there, and returns the errno of an exec that failed.
class Spawn {
 public:
  Spawn() {
    require(posix_spawn_file_actions_init(&actions_), "no child can be prepared");
    require(posix_spawnattr_init(&attributes_), "no child can be prepared");
  }
  ~Spawn() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  // Goes through a copy with a high number, so that no target is overwritten before it was copied itself.
  void connect(int from, int target, int first_free) {
    Descriptor copy(::fcntl(from, F_DUPFD_CLOEXEC, first_free));
    if (!copy) throw errno_error(errno, {}, fmt::format("descriptor {} cannot be handed to a child", from));
    require(posix_spawn_file_actions_adddup2(&actions_, copy.get(), target), "no child can be prepared");
    copies_.push_back(std::move(copy));
  }

  void connect_null(int target) {
    require(posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", O_RDWR, 0), "no child can be prepared");
  }

  void close_from(int first) {
    require(posix_spawn_file_actions_addclosefrom_np(&actions_, first), "no child can be prepared");
  }

  void set_folder(const Path& folder) {
    require(posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()), "no child can be prepared");
  }

  void take_terminal() {
    require(posix_spawn_file_actions_addtcsetpgrp_np(&actions_, STDIN_FILENO), "no child can be prepared");
  }

  void set_group(Command::Group group) {
    if (group == Command::Group::own) flags_ |= POSIX_SPAWN_SETPGROUP;
    if (group == Command::Group::own_session) flags_ |= POSIX_SPAWN_SETSID;
  }

  pid_t run(const std::vector<std::string>& argv, const std::vector<std::string>& env) {
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaulted = none;
    sigaddset(&defaulted, SIGPIPE);
    sigaddset(&defaulted, SIGCHLD);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &defaulted);
    posix_spawnattr_setflags(&attributes_, static_cast<short>(flags_ | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    pid_t pid = -1;
    const int failed = ::posix_spawnp(&pid, argv.front().c_str(), &actions_, &attributes_, pointers(argv).data(),
                                      pointers(env).data());
    if (failed == 0) return pid;
    throw errno_error(failed, argv.front(),
                      failed == ENOEXEC ? "it is no program (a script begins with #! and its interpreter)"
                      : failed == ENOENT && argv.front().find('/') == std::string::npos
                          ? "there is no such program in the folders of PATH"
                          : "it could not be started");
  }

 private:
  static std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (const auto& text : texts) all.push_back(const_cast<char*>(text.c_str()));  // posix_spawn does not write there.
    all.push_back(nullptr);
    return all;
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  int flags_ = 0;
  std::vector<Descriptor> copies_;
};

void check(const Command& command) {
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (command.argv.empty() || command.argv.front().empty()) {
    throw Error(Code::invalid_argument, "no program to start was given");
  }
  for (const auto& argument : command.argv) {
    if (has_nul(argument))
      throw Error(Code::invalid_argument, "argument " + base::quoted(argument) + " contains a NUL byte");
  }
  for (const auto& [name, value] : command.env) {
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(value)) {
      throw Error(Code::invalid_argument,
                  "environment variable " + base::quoted(name) + " has a malformed name or value");
    }
  }
  if (command.foreground && command.group != Command::Group::own) {
    throw Error(Code::invalid_argument, "only a child with a process group of its own can take the terminal");
  }
  std::error_code unreachable;
  if (command.folder && !std::filesystem::is_directory(*command.folder, unreachable)) {
    throw Error(Code::invalid_argument, base::quoted(command.folder->string()) + " is no folder to start a program in");
  }
  struct sigaction action {};
  sigaction(SIGCHLD, nullptr, &action);
  if (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0) {
    throw Error(Code::misuse,
                "this process ignores SIGCHLD, so the ends of its children are not kept: give the signal "
                "its default action first");
  }
}

// This process's environment with `added` put in.
std::vector<std::string> environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!added.contains(std::string(text.substr(0, text.find('='))))) all.emplace_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(fmt::format("{}={}", name, value));
  return all;
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (signal == 0) return fmt::format("exit code {}", code);
  const char* words = ::sigdescr_np(signal);
  return fmt::format("killed by signal {} ({})", signal, words ? words : "unknown");
}

ChildProcess::ChildProcess(Runtime& runtime, const Command& command) : runtime_(&runtime) {
  check(command);
  start(command);
}

void ChildProcess::start(const Command& command) {
  Spawn spawn;
  const int first_free = 3 + static_cast<int>(command.pass.size());
  std::array<Descriptor, 3> child_ends;
  const auto connect = [&](const Stream& stream, int target, Descriptor& own_end) {
    switch (stream.kind) {
      case Stream::Kind::inherit:
        return;
      case Stream::Kind::null:
        return spawn.connect_null(target);
      case Stream::Kind::descriptor:
        return spawn.connect(stream.descriptor, target, first_free);
      case Stream::Kind::pipe: {
        auto pipe = make_pipe();
        auto& child_end = child_ends[static_cast<std::size_t>(target)];
        child_end = std::move(target == STDIN_FILENO ? pipe.read_end : pipe.write_end);
        own_end = std::move(target == STDIN_FILENO ? pipe.write_end : pipe.read_end);
        return spawn.connect(child_end.get(), target, first_free);
      }
    }
  };
  connect(command.in, STDIN_FILENO, in_);
  connect(command.out, STDOUT_FILENO, out_);
  connect(command.err, STDERR_FILENO, err_);
  for (std::size_t i = 0; i < command.pass.size(); ++i) {
    spawn.connect(command.pass[i], 3 + static_cast<int>(i), first_free);
  }
  if (command.foreground && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp()) {
    has_terminal_ = true;
    spawn.take_terminal();
  }
  if (!command.inherit_descriptors) spawn.close_from(first_free);
  if (command.folder) spawn.set_folder(*command.folder);
  spawn.set_group(command.group);
  leads_group_ = command.group != Command::Group::same;
  kill_when_dropped_ = command.kill_when_dropped;

  pid_ = spawn.run(command.argv, environment(command.env));
  ended_.reset(
      static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));  // Nobody else reaps it, so the pid is still the child's.
  if (!ended_) {
    const int failed = errno;
    ::kill(leads_group_ ? -pid_ : pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    take_terminal_back();
    throw errno_error(failed, command.argv.front(), "its end could not be waited for");
  }
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : runtime_(other.runtime_),
      pid_(std::exchange(other.pid_, -1)),
      leads_group_(other.leads_group_),
      has_terminal_(std::exchange(other.has_terminal_, false)),
      kill_when_dropped_(other.kill_when_dropped_),
      ended_(std::move(other.ended_)),
      in_(std::move(other.in_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    finish();
    runtime_ = other.runtime_;
    pid_ = std::exchange(other.pid_, -1);
    leads_group_ = other.leads_group_;
    has_terminal_ = std::exchange(other.has_terminal_, false);
    kill_when_dropped_ = other.kill_when_dropped_;
    ended_ = std::move(other.ended_);
    in_ = std::move(other.in_);
    out_ = std::move(other.out_);
    err_ = std::move(other.err_);
  }
  return *this;
}

ChildProcess::~ChildProcess() { finish(); }

void ChildProcess::finish() noexcept {
  if (pid_ < 0) return;
  siginfo_t info{};
  const auto ended = [&] {
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
  };
  bool reap = ended();
  if (!reap && kill_when_dropped_) {
    ::kill(leads_group_ ? -pid_ : pid_, SIGKILL);
    reap = true;
  }
  while (reap && ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
  take_terminal_back();
  pid_ = -1;
}

std::optional<ExitStatus> ChildProcess::look() {
  siginfo_t info{};
  // WNOWAIT: it stays a zombie, and so its pid and group number its own, until the destructor.
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    throw errno_error(errno, {}, fmt::format("the end of child {} was taken by another part of this program", pid_));
  }
  if (info.si_pid != pid_) return std::nullopt;
  take_terminal_back();
  return info.si_code == CLD_EXITED ? ExitStatus{info.si_status, 0} : ExitStatus{0, info.si_status};
}

std::optional<ExitStatus> ChildProcess::wait(Deadline deadline, const std::stop_token& stop) {
  if (auto status = look()) return status;
  Poll poll(*runtime_);
  poll.add(ended_.get());
  if (!poll.wait(deadline, stop)) return std::nullopt;
  return look();
}

bool ChildProcess::signal(int signal) {
  if (look()) return false;  // The kernel would say that the zombie got it.
  if (::syscall(SYS_pidfd_send_signal, ended_.get(), signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw errno_error(errno, {}, fmt::format("signal {} could not be sent to child {}", signal, pid_));
}

bool ChildProcess::signal_group(int signal) {
  if (!leads_group_) throw Error(Code::misuse, "the child has no process group of its own to be signalled");
  if (::kill(-pid_, signal) == 0) return true;
  if (errno == ESRCH) return false;
  throw errno_error(errno, {}, fmt::format("signal {} could not be sent to process group {}", signal, pid_));
}

void ChildProcess::take_terminal_back() noexcept {
  if (!std::exchange(has_terminal_, false)) return;
  // A background process that does this is stopped by SIGTTOU, unless it blocks it.
  sigset_t stops;
  sigset_t before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &stops, &before);
  if (::tcgetpgrp(STDIN_FILENO) == pid_) ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace tidelock::base
