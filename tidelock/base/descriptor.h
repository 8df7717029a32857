// File descriptors of the kernel: owned ones, pipes, and reading and writing them.
//
// For files there is Files; this is for pipes to other processes and for descriptors that are waited on (poll.h).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace tidelock::base {

// Owns one descriptor and closes it. Movable.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return number_; }  // -1 when it owns none.
  explicit operator bool() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void reset(int number = -1);

 private:
  int number_ = -1;
};

// What is written to one end comes out of the other. Closed on exec; process.h hands ends to a child.
struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

// Error: unavailable when there are too many open files.
Pipe make_pipe();

// Reads what is there, waiting for the first byte; 0 at the end, when every writer has closed. Empty when the
// descriptor does not block and has nothing. Error: io_error and the like.
std::optional<std::size_t> read_some(const Descriptor& from, std::span<std::byte> out);

// Writes all of it, waiting for the reader. Errors: io_error when the reader has gone (never a SIGPIPE), and the like.
void write_all(const Descriptor& to, std::string_view data);

}  // namespace tidelock::base
