// The state that a command line names with --on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tidelock/cli/program.h"
#include "tidelock/lock/backend.h"
#include "tidelock/toolkit/toolkit.h"

namespace tidelock::cli {

// Locks that other processes see too. Owns the way to them.
class Arbiter {
 public:
  // Makes an SQLite file, and its folder, when it is missing. Errors: invalid_argument for a URL that names no such
  // thing; unsupported for one whose locks other processes cannot see; those of opening it.
  static Arbiter open(const Outside& outside, const std::string& url);
  // Empty when it would have to be made.
  static std::optional<Arbiter> open_existing(const Outside& outside, const std::string& url);

  lock::Backend& backend() const { return *backend_; }

 private:
  Arbiter(const Outside& outside, const std::string& url);

  std::unique_ptr<Toolkit> toolkit_;
  std::shared_ptr<lock::Backend> backend_;
};

// A URL as it may be shown: without passwords. Error: invalid_argument.
std::string shown_url(const std::string& url);

}  // namespace tidelock::cli
