// An address of this machine where nobody ever answers.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/errno_error.h"
#include "tidelock/base/runtime.h"

namespace tidelock::sql::testing {

// At a port of an address of the loopback that it picks. `takes`: connections are made, and nothing is said; else they
// are not made, nor refused.
class SilentListener {
 public:
  SilentListener(base::Runtime& runtime, std::uint16_t port, bool takes)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        filler_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    const auto host = 0x7f'4d'00'01U + static_cast<std::uint32_t>(runtime.random() % 65'000);  // From 127.77.0.1 on.
    place.sin_addr.s_addr = htonl(host);
    const auto* const address = reinterpret_cast<const sockaddr*>(&place);
    const int queue = takes ? 64 : 0;  // Of none: one that nobody accepts fills it.
    if (::bind(listener_.get(), address, sizeof place) != 0 || ::listen(listener_.get(), queue) != 0 ||
        (!takes && ::connect(filler_.get(), address, sizeof place) != 0)) {
      throw base::errno_error(errno, {}, "nobody can be silent there");
    }
    address_ = ::inet_ntoa(place.sin_addr);
  }

  const std::string& address() const { return address_; }

 private:
  base::Descriptor listener_;
  base::Descriptor filler_;
  std::string address_;
};

}  // namespace tidelock::sql::testing
