#include "tidelock/cli/testing/program.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace tidelock::cli::testing {
namespace {

base::Descriptor memory_file() { return base::Descriptor(::memfd_create("output", MFD_CLOEXEC)); }

std::string content(const base::Descriptor& file) {
  struct stat info {};
  ::fstat(file.get(), &info);
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const auto count = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return text;
}

base::Command with_streams(base::Command command, const base::Descriptor& out, const base::Descriptor& err) {
  if (command.in.kind == base::Stream::Kind::inherit) command.in = base::Stream::null();
  if (command.out.kind == base::Stream::Kind::inherit) command.out = base::Stream::to(out);
  if (command.err.kind == base::Stream::Kind::inherit) command.err = base::Stream::to(err);
  return command;
}

}  // namespace

Running::Running(base::Runtime& runtime, base::Command command)
    : runtime_(runtime),
      out_(memory_file()),
      err_(memory_file()),
      child_(runtime, with_streams(std::move(command), out_, err_)) {}

std::string Running::out() const { return content(out_); }
std::string Running::err() const { return content(err_); }

Ended Running::wait(base::Duration patience) {
  const auto status = child_.wait(runtime_.in(patience));
  EXPECT_TRUE(status) << "did not end in time; it said: " << err();
  return {status.value_or(base::ExitStatus{-1, 0}), content(out_), err()};
}

base::Command ProgramTest::tidelock(const Arguments& arguments) const {
  base::Command command;
  command.argv = {TIDELOCK_PROGRAM};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.env = {{"TIDELOCK", TIDELOCK_PROGRAM}};
  command.folder = folder_.path();
  if (life_.descriptor() >= 0) command.pass = {life_.descriptor()};
  return command;
}

base::Command ProgramTest::lock_run(const std::string& name, const Arguments& options,
                                    const std::string& script) const {
  Arguments arguments{"lock", "run", name};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.insert(arguments.end(), {"--", "sh", "-c", script});
  return tidelock(arguments);
}

std::string ProgramTest::show(const std::string& name) {
  const auto shown = run(tidelock({"lock", "show", name, "--json"}));
  EXPECT_TRUE(shown.status.ok()) << shown.err;
  return shown.out;
}

std::int64_t ProgramTest::holder_expires_in_ms(const std::string& name) {
  const auto json = nlohmann::json::parse(show(name));
  return json.at("holders").at(0).at("expires_in_ms").get<std::int64_t>();
}

std::size_t ProgramTest::waiters(const std::string& name) {
  return nlohmann::json::parse(show(name)).at("waiters").size();
}

void ProgramTest::await_waiters(const std::string& name, std::size_t count) {
  EXPECT_TRUE(eventually(runtime_, [&] { return waiters(name) == count; })) << show(name);
}

}  // namespace tidelock::cli::testing
