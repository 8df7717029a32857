#include "tidelock/cli/output.h"

#include <cerrno>

#include "tidelock/base/errno_error.h"

namespace tidelock::cli {
namespace {

constexpr const char* kWhat = "the output could not be written";

// What is wrong is where the output goes, never the command line or this program.
Code code_of(int number) {
  const auto code = base::errno_code(number);
  return code == Code::disk_full || code == Code::too_large ? code : Code::io_error;
}

Error error_of(int number) {
  if (number == 0) return {Code::io_error, kWhat};
  return {code_of(number), kWhat, base::errno_error(number, {}, kWhat).native().value()};
}

const char* next_step(Code code) {
  if (code == Code::disk_full) return "free space, then run it again";
  if (code == Code::too_large) return "write it where a file may grow larger, see `ulimit -f`";
  return "run it again with an output that can be written";
}

int failure_of(const std::ostream& out) {
  const auto* buffer = dynamic_cast<const OutputBuffer*>(out.rdbuf());
  return buffer != nullptr ? buffer->failed_with() : 0;
}

}  // namespace

template <typename Write>
bool OutputBuffer::watched(Write write) {
  errno = 0;
  const bool written = write();
  if (!written && failed_with_ == 0) failed_with_ = errno;
  return written;
}

OutputBuffer::int_type OutputBuffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const auto write = [&] { return to_.sputc(traits_type::to_char_type(c)) != traits_type::eof(); };
  return watched(write) ? c : traits_type::eof();
}

std::streamsize OutputBuffer::xsputn(const char* text, std::streamsize size) {
  std::streamsize count = 0;
  watched([&] { return (count = to_.sputn(text, size)) == size; });
  return count;
}

int OutputBuffer::sync() {
  return watched([&] { return to_.pubsync() == 0; }) ? 0 : -1;
}

OutputLost::OutputLost(int number)
    : AdvisedError(error_of(number), next_step(code_of(number))), reader_has_gone_(number == EPIPE) {}

OutputLost::OutputLost(const std::ostream& out) : OutputLost(failure_of(out)) {}

void check_output(const std::ostream& out) {
  if (!out) throw OutputLost(out);
}

}  // namespace tidelock::cli
