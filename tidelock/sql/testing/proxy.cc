#include "tidelock/sql/testing/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include "tidelock/base/errno_error.h"
#include "tidelock/base/poll.h"

namespace tidelock::sql::testing {
namespace {

using namespace std::chrono_literals;

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

void send_all(int to, const char* data, std::size_t size) {
  while (size > 0) {
    const auto sent = ::send(to, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

}  // namespace

Proxy::Proxy(base::Runtime& runtime, std::string host, std::uint16_t port)
    : runtime_(runtime),
      host_(std::move(host)),
      upstream_(port),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  auto address = address_of("127.0.0.1", 0);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw base::errno_error(errno, {}, "the proxy cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = runtime_.spawn("proxy", [this](const std::stop_token& stop) { accept(stop); });
}

Proxy::~Proxy() {
  acceptor_ = {};
  const base::LocalGuard guard(mutex_);
  for (auto& connection : connections_) connection.request_stop();
}

void Proxy::heal() {
  left_to_server_ = left_to_client_ = kAll;
  delay_ns_ = 0;
  frozen_ = false;
}

void Proxy::accept(const std::stop_token& stop) {
  base::Poll poll(runtime_);
  poll.add(listener_.get());
  while (poll.wait(base::Deadline::never(), stop)) {
    auto client = std::make_shared<base::Descriptor>(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!*client) continue;
    auto connection =
        runtime_.spawn("proxied connection", [this, client](const std::stop_token& ended) { serve(*client, ended); });
    const base::LocalGuard guard(mutex_);
    connections_.push_back(std::move(connection));
  }
}

void Proxy::serve(const base::Descriptor& client, const std::stop_token& stop) {
  const base::Descriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = address_of(host_, upstream_);
  const auto cut = [&] {
    ::shutdown(client.get(), SHUT_RDWR);
    ::shutdown(server.get(), SHUT_RDWR);
  };
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return cut();
  const int on = 1;
  for (const auto* const socket : {&client, &server})
    ::setsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  base::Poll poll(runtime_);
  const auto from_client = poll.add(client.get());
  const auto from_server = poll.add(server.get());
  while (poll.wait(base::Deadline::never(), stop)) {
    if (poll.ready(from_client) && !pass(client.get(), server.get(), left_to_server_, to_server_, false, stop)) break;
    if (poll.ready(from_server) && !pass(server.get(), client.get(), left_to_client_, to_client_, true, stop)) break;
  }
  cut();
}

// False: the connection is over.
bool Proxy::pass(int from, int to, std::atomic<std::int64_t>& left, std::atomic<std::int64_t>& passed, bool to_client,
                 const std::stop_token& stop) {
  std::array<char, 16 << 10> bytes;
  const auto got = ::recv(from, bytes.data(), bytes.size(), 0);
  if (got <= 0) return false;
  if (frozen_ && on_held_) on_held_();
  while (frozen_) {
    if (!runtime_.sleep_for(1ms, stop)) return false;
  }
  if (const auto wait = delay_ns_.load(); wait > 0 && !runtime_.sleep_for(base::Duration(wait), stop)) return false;
  const auto& edit = to_client ? edit_ : edit_requests_;
  if (edit) edit(std::span(bytes.data(), static_cast<std::size_t>(got)));
  const auto budget = left.load();  // Once: a test may set it meanwhile, for what comes after these bytes.
  const auto allowed = std::clamp<std::int64_t>(budget, 0, got);
  send_all(to, bytes.data(), static_cast<std::size_t>(allowed));
  passed += allowed;
  if (budget != kAll) left -= allowed;
  return allowed == got;
}

}  // namespace tidelock::sql::testing
