#include "tidelock/base/resolver.h"

#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <utility>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/errno_error.h"
#include "tidelock/base/poll.h"

namespace tidelock::base {
namespace {

// One question to the system's resolver. It lives until the answer has come, whoever still waits for that.
struct Lookup {
  explicit Lookup(const std::string& name) : host(name), answered(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!answered) throw errno_error(errno, {}, "no event descriptor could be made");
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    request.ar_name = host.c_str();
    request.ar_request = &hints;
  }
  ~Lookup() {
    if (request.ar_result != nullptr) ::freeaddrinfo(request.ar_result);
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  const std::string host;
  addrinfo hints{};
  gaicb request{};
  Descriptor answered;
};

// Called on a thread of the system's library; holds the Lookup until then.
void on_answer(sigval value) {
  const std::unique_ptr<std::shared_ptr<Lookup>> lookup(static_cast<std::shared_ptr<Lookup>*>(value.sival_ptr));
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write((*lookup)->answered.get(), &one, sizeof one);
}

void ask(const std::shared_ptr<Lookup>& lookup) {
  auto held = std::make_unique<std::shared_ptr<Lookup>>(lookup);
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = on_answer;
  event.sigev_value.sival_ptr = held.get();
  std::array<gaicb*, 1> requests{&lookup->request};
  const int refused = ::getaddrinfo_a(GAI_NOWAIT, requests.data(), 1, &event);
  if (refused != 0) {
    // The library may call back all the same, now or later: its share is left to it.
    [[maybe_unused]] const auto* const left = held.release();
    throw Error(Code::unavailable,
                "the system takes no look-up of a host's name now: " + std::string(gai_strerror(refused)));
  }
  [[maybe_unused]] const auto* const now_of_the_callback = held.release();
}

bool is_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

std::vector<std::string> addresses_of(const addrinfo* list) {
  std::vector<std::string> addresses;
  for (const auto* one = list; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  return addresses;
}

}  // namespace

std::vector<std::string> SystemResolver::resolve(const std::string& host, Deadline deadline,
                                                 const std::stop_token& stop) {
  if (is_address(host)) return {host};
  const auto give_up = [&] {
    if (stop.stop_requested()) throw Error(Code::cancelled, "stopped while the name " + host + " was looked up");
    throw Error(Code::timeout, "the name " + host +
                                   " could not be looked up in time: look at the resolver of this machine, or write "
                                   "an address into the URL");
  };
  if (stop.stop_requested() || deadline.passed(runtime_.now())) give_up();
  const auto lookup = std::make_shared<Lookup>(host);
  ask(lookup);
  Poll poll(runtime_);
  poll.add(lookup->answered.get());
  // Not cancelled: the library forgets a cancelled question without calling back, and the callback's share with it.
  if (!poll.wait(deadline, stop)) give_up();
  const int failed = ::gai_error(&lookup->request);
  auto addresses = failed == 0 ? addresses_of(lookup->request.ar_result) : std::vector<std::string>();
  if (!addresses.empty()) return addresses;
  const bool may_pass = failed == EAI_AGAIN;
  throw Error(Code::unavailable,
              (may_pass ? "the name of the host cannot be looked up now (" : "the name of the host is not known (") +
                  host + (may_pass ? "): look at the resolver of this machine" : "): check the URL"),
              {.code = failed, .message = ::gai_strerror(failed)});
}

}  // namespace tidelock::base
