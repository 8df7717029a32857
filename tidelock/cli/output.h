// Where results go: remembers why something could not be written, which a stream does not.
#pragma once

#include <ostream>
#include <streambuf>

#include "tidelock/cli/failure.h"

namespace tidelock::cli {

// Hands everything on to another buffer. Used by one task at a time.
class OutputBuffer : public std::streambuf {
 public:
  explicit OutputBuffer(std::streambuf& to) : to_(to) {}
  int failed_with() const { return failed_with_; }  // The errno of the first write that failed; 0: none did.

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* text, std::streamsize size) override;
  int sync() override;

 private:
  template <typename Write>
  bool watched(Write write);

  std::streambuf& to_;
  int failed_with_ = 0;
};

// What the command had to say cannot be written: disk_full, too_large or io_error, whatever else errno says.
class OutputLost : public AdvisedError {
 public:
  // `number`: of errno; 0: not known.
  explicit OutputLost(int number);
  // Of a stream that failed; knows why where it is on an OutputBuffer.
  explicit OutputLost(const std::ostream& out);
  // Whoever read it has seen enough, as `head`: nothing that needs to be told.
  bool reader_has_gone() const { return reader_has_gone_; }

 private:
  bool reader_has_gone_;
};

// Error: OutputLost, after something was written to `out`.
void check_output(const std::ostream& out);

}  // namespace tidelock::cli
