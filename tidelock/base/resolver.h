// Turns the name of a host into addresses, with a deadline: getaddrinfo() itself waits for as long as the resolver of
// the machine likes, and nothing can wake it.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "tidelock/base/runtime.h"

namespace tidelock::base {

// Thread-safe.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // The addresses of `host` as text, "192.0.2.1" or "2001:db8::1", in the order to try them; never empty. An address is
  // its own. Errors: unavailable, when there is no such name or nobody who knows it answers; timeout; cancelled.
  virtual std::vector<std::string> resolve(const std::string& host, Deadline deadline,
                                           const std::stop_token& stop = {}) = 0;
};

// As the machine does it: its file of hosts, DNS, and whatever else it is set up for. A look-up that is left early goes
// on by itself, and its answer is dropped. Borrows the Runtime; a real one.
class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(Runtime& runtime) : runtime_(runtime) {}
  std::vector<std::string> resolve(const std::string& host, Deadline deadline,
                                   const std::stop_token& stop = {}) override;

 private:
  Runtime& runtime_;
};

}  // namespace tidelock::base
