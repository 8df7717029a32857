// How the program says that something failed: one line for people, or one JSON object for programs.
#pragma once

#include <string>
#include <utility>

#include "tidelock/base/error.h"

namespace tidelock::cli {

// A failure for which a command knows better what to do than its code tells.
class AdvisedError : public Error {
 public:
  AdvisedError(const Error& error, std::string next) : Error(error), next_(std::move(next)) {}
  const std::string& next() const { return next_; }

 private:
  std::string next_;
};

// A command line that cannot be understood, with what to type instead.
class UsageError : public AdvisedError {
 public:
  UsageError(std::string what, std::string next)
      : AdvisedError(Error(Code::invalid_argument, std::move(what)), std::move(next)) {}
};

// What happened, and what to do about it.
struct Failure {
  Code code = Code::internal;
  std::string what;
  std::string next;  // Without a full stop.
  int exit = 1;

  static Failure of(const Error& error);
  static Failure of(const std::exception& error);  // Whatever is no Error is a bug: code internal.

  // tidelock: <what>: <next> [<code>]
  std::string line() const;
  // {"error":{"code":…,"disposition":…,"message":…,"next":…,"exit":…}}
  std::string json() const;
};

}  // namespace tidelock::cli
