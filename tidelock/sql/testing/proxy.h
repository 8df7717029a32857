// Stands between a client and a server, and breaks what passes: for tests of what becomes of a commit then.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"

namespace tidelock::sql::testing {

// Listens on a free port of the loopback. Thread-safe.
class Proxy {
 public:
  static constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();

  Proxy(base::Runtime& runtime, std::string host, std::uint16_t port);
  ~Proxy();

  std::uint16_t port() const { return port_; }

  // From now on new connections go there, as to a name that a failover moved.
  void lead_to(std::uint16_t port) { upstream_ = port; }
  // From now on so many more bytes pass to the server, or to the client; then every connection is cut.
  void cut_after_to_server(std::int64_t bytes) { left_to_server_ = bytes; }
  void cut_after_to_client(std::int64_t bytes) { left_to_client_ = bytes; }
  // Each piece that passes waits for so long.
  void delay(base::Duration duration) { delay_ns_ = duration.count(); }
  // Nothing passes, and nothing is cut.
  void freeze(bool frozen) { frozen_ = frozen; }
  // Told of each piece that comes while it is frozen: who sent it waits for an answer. Set before the first connection.
  void on_held(std::function<void()> told) { on_held_ = std::move(told); }
  // No more is cut, delayed or frozen. What was cut stays cut.
  void heal();
  // Changes what comes from the server on its way, or what goes there. Set before the first connection.
  void edit(std::function<void(std::span<char>)> change) { edit_ = std::move(change); }
  void edit_requests(std::function<void(std::span<char>)> change) { edit_requests_ = std::move(change); }

  // Bytes that passed to the server, and to the client, so far.
  std::int64_t to_server() const { return to_server_; }
  std::int64_t to_client() const { return to_client_; }

 private:
  void accept(const std::stop_token& stop);
  void serve(const base::Descriptor& client, const std::stop_token& stop);
  bool pass(int from, int to, std::atomic<std::int64_t>& left, std::atomic<std::int64_t>& passed, bool to_client,
            const std::stop_token& stop);

  base::Runtime& runtime_;
  const std::string host_;
  std::atomic<std::uint16_t> upstream_;
  std::function<void(std::span<char>)> edit_, edit_requests_;
  std::function<void()> on_held_;
  base::Descriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<std::int64_t> left_to_server_ = kAll;
  std::atomic<std::int64_t> left_to_client_ = kAll;
  std::atomic<std::int64_t> to_server_ = 0;
  std::atomic<std::int64_t> to_client_ = 0;
  std::atomic<std::int64_t> delay_ns_ = 0;
  std::atomic<bool> frozen_ = false;
  base::LocalMutex mutex_;
  std::vector<base::Task> connections_ TIDELOCK_GUARDED_BY(mutex_);
  base::Task acceptor_;
};

}  // namespace tidelock::sql::testing
