// What comes in one byte after the other: standard input, a pipe by its name.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/files.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/runtime.h"

namespace tidelock::cli {

// Of the real outside, never of a World. Used by one task at a time.
class Input {
 public:
  // Standard input, which stays open.
  explicit Input(base::Runtime& runtime);
  // A named pipe (waits for somebody to write to it), /dev/stdin, /dev/fd/63. Errors: those of opening a file.
  Input(base::Runtime& runtime, const base::Path& path);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // Fills `out`, short only at the end, and when `stop` is requested.
  std::size_t read(std::span<std::byte> out, const std::stop_token& stop = {});

 private:
  base::Descriptor from_;
  bool owns_;
  base::Poll poll_;
  bool ended_ = false;  // A terminal would go on behind its end.
};

}  // namespace tidelock::cli
