// The state that a command line names with --on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tidelock/cli/program.h"
#include "tidelock/lock/backend.h"

namespace tidelock::cli {

// Locks somewhere. Owns the way to them.
class Arbiter {
 public:
  // Makes an SQLite file, and its folder, when it is missing. Errors: invalid_argument for a URL that names no such
  // thing; unsupported for one whose locks other processes cannot see; those of opening it.
  static Arbiter open(const Outside& outside, const std::string& url);
  // Empty when it would have to be made.
  static std::optional<Arbiter> open_existing(const Outside& outside, const std::string& url);

  lock::Backend& backend() const { return *backend_; }
  const std::string& shown_url() const { return shown_url_; }  // Without passwords.

 private:
  Arbiter(std::shared_ptr<lock::Backend> backend, std::string shown_url);
  std::shared_ptr<lock::Backend> backend_;
  std::string shown_url_;
};

// A URL as it may be shown. Error: invalid_argument.
std::string shown_url(const std::string& url);

}  // namespace tidelock::cli
