#include "tidelock/cli/testing/pseudo_terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "tidelock/base/poll.h"
#include "tidelock/cli/testing/life_line.h"

namespace tidelock::cli::testing {

PseudoTerminal::PseudoTerminal() : keyboard_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  std::array<char, 64> name{};
  if (!keyboard_ || ::grantpt(keyboard_.get()) != 0 || ::unlockpt(keyboard_.get()) != 0 ||
      ::ptsname_r(keyboard_.get(), name.data(), name.size()) != 0) {
    throw std::runtime_error("no pseudo terminal can be made");
  }
  terminal_.reset(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal_) throw std::runtime_error("the pseudo terminal cannot be opened");
}

base::Command PseudoTerminal::controlled_by_this(base::Command command) const {
  command.argv.insert(command.argv.begin(), {"setsid", "--ctty", "--wait"});
  command.in = command.out = command.err = base::Stream::to(terminal_);
  return command;
}

void PseudoTerminal::type(const std::string& keys) { base::write_all(keyboard_, keys); }

void PseudoTerminal::await(base::Runtime& runtime, const std::string& text) {
  const auto deadline = runtime.in(kPatience);
  for (;;) {
    const auto found = shown_.find(text, awaited_);
    if (found != shown_.npos) {
      awaited_ = found + text.size();
      return;
    }
    base::Poll poll(runtime);
    poll.add(keyboard_.get());
    if (!poll.wait(deadline)) {
      ADD_FAILURE() << "\"" << text << "\" was not shown, only: " << shown_;
      return;
    }
    std::array<std::byte, 1024> buffer;
    const auto count = base::read_some(keyboard_, buffer).value_or(0);
    shown_.append(reinterpret_cast<const char*>(buffer.data()), count);
  }
}

}  // namespace tidelock::cli::testing
