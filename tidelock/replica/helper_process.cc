#include "tidelock/replica/helper_process.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
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

// What the child writes, line by line, until it closes its output.
class Lines {
 public:
  Lines(base::Runtime& runtime, base::ChildProcess& child) : child_(child), poll_(runtime) {
    poll_.add(child.out().get());
  }

  // Empty at the end; a line that is not whole is dropped.
  std::optional<std::string> next(const std::stop_token& stop) {
    for (;;) {
      if (const auto end = text_.find('\n', searched_); end != text_.npos) {
        auto line = text_.substr(0, end);
        text_.erase(0, end + 1);
        searched_ = 0;
        return line;
      }
      searched_ = text_.size();
      if (!poll_.wait(base::Deadline::never(), stop)) throw Error(Code::cancelled, "publishing was stopped");
      const auto count = base::read_some(child_.out(), buffer_);
      if (!count || *count == 0) return std::nullopt;
      text_.append(reinterpret_cast<const char*>(buffer_.data()), *count);
    }
  }

 private:
  base::ChildProcess& child_;
  base::Poll poll_;
  std::string text_;
  std::size_t searched_ = 0;
  std::array<std::byte, 65536> buffer_{};
};

void say_begin(base::ChildProcess& child) {
  try {
    base::write_all(child.in(), "begin\n");
  } catch (const Error&) {  // It has ended; what it answered, or how it ended, says why.
  }
}

}  // namespace

HelperProcess::HelperProcess(base::Runtime& runtime, base::Files& files, base::Path program)
    : runtime_(runtime), program_(find_program(files, program)) {}

Copied HelperProcess::make(const CopyRequest& request, const std::stop_token& stop) {
  base::Command command;
  command.argv = {program_, kHelperCommand};
  for (auto& argument : helper_arguments(request)) command.argv.push_back(std::move(argument));
  command.in = base::Stream::pipe();  // It ends when this process does, and the helper with it.
  command.out = base::Stream::pipe();
  command.group = base::Command::Group::own;  // Ctrl-C is for this process, which stops the helper.
  try {
    base::ChildProcess child(runtime_, command);
    return talk(child, request, stop);
  } catch (const Error& error) {
    if (error.code() != Code::not_found || error.object() != program_) throw;
    throw Error(Code::not_found,
                "the program " + base::quoted(program_) +
                    ", which copies and checks replicas, is not found: put it on the PATH, or name it");
  }
}

Copied HelperProcess::talk(base::ChildProcess& child, const CopyRequest& request, const std::stop_token& stop) {
  Standstill standstill(request.hold, stop);  // The helper gets ready meanwhile.
  if (request.hold != nullptr) say_begin(child);
  Lines lines(runtime_, child);
  std::string answer;
  while (auto line = lines.next(stop)) {
    answer = *std::move(line);
    if (nlohmann::json::accept(answer) && may_release(answer)) standstill.end();
  }
  const auto status = child.wait();
  if (status && status->ok() && nlohmann::json::accept(answer) && !may_release(answer)) return parse_copied(answer);
  throw Error(Code::unavailable, "the helper that makes the replica ended with " +
                                     (status ? status->to_string() : std::string("no status")) + " (" +
                                     base::quoted(program_ + " " + kHelperCommand) + ")");
}

}  // namespace tidelock::replica
