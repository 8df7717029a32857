#include "tidelock/replica/helper_process.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/process.h"
#include "tidelock/base/text.h"
#include "tidelock/replica/helper.h"

namespace tidelock::replica {
namespace {

constexpr const char* kProgram = "tidelock";

std::string find_program(base::Files& files, const base::Path& given) {
  if (!given.empty()) return given.string();
  constexpr auto kSelf = "/proc/self/exe";
  if (!files.info(kSelf)) return kProgram;
  const auto self = files.read_symlink(kSelf);
  if (self.filename().string().starts_with(kProgram) && !self.filename().has_extension()) {
    const auto name = self.filename().string();
    if (name == kProgram || name == std::string(kProgram) + " (deleted)") return kSelf;  // Also after an upgrade.
  }
  const auto beside = self.parent_path() / kProgram;
  return files.info(beside) ? beside.string() : kProgram;
}

// All that the child writes, until it closes its output.
std::string read_all(base::Runtime& runtime, base::ChildProcess& child, const std::stop_token& stop) {
  std::string all;
  std::array<std::byte, 65536> buffer{};
  base::Poll poll(runtime);
  poll.add(child.out().get());
  for (;;) {
    if (!poll.wait(base::Deadline::never(), stop)) throw Error(Code::cancelled, "publishing was stopped");
    const auto count = base::read_some(child.out(), buffer);
    if (!count || *count == 0) return all;
    all.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
}

}  // namespace

HelperProcess::HelperProcess(base::Runtime& runtime, base::Files& files, base::Path program)
    : runtime_(runtime), program_(find_program(files, program)) {}

Copied HelperProcess::copy(const CopyRequest& request, const std::stop_token& stop) {
  return parse_copied(run(helper_arguments(request), stop));
}

void HelperProcess::check(const CheckRequest& request, const std::stop_token& stop) {
  parse_checked(run(helper_arguments(request), stop));
}

std::string HelperProcess::run(std::vector<std::string> arguments, const std::stop_token& stop) const {
  base::Command command;
  command.argv = {program_, kHelperCommand};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.in = base::Stream::pipe();  // Never written to: it ends when this process does.
  command.out = base::Stream::pipe();
  command.group = base::Command::Group::own;  // Ctrl-C is for this process, which stops the helper.
  try {
    base::ChildProcess child(runtime_, command);
    auto answer = read_all(runtime_, child, stop);
    const auto status = child.wait();
    if (status && status->ok() && nlohmann::json::accept(answer)) return answer;
    throw Error(Code::unavailable, "the helper that makes the replica ended with " +
                                       (status ? status->to_string() : std::string("no status")) + " (" +
                                       base::quoted(program_ + " " + kHelperCommand + " " + arguments.front()) + ")");
  } catch (const Error& error) {
    if (error.code() != Code::not_found || error.object() != program_) throw;
    throw Error(Code::not_found,
                "the program " + base::quoted(program_) +
                    ", which copies and checks replicas, is not found: put it on the PATH, or name it");
  }
}

}  // namespace tidelock::replica
