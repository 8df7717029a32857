// A model of a network: messages between addresses that take time, get lost, doubled and reordered, and can be cut.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/time.h"
#include "tidelock/world/random.h"
#include "tidelock/world/timers.h"

namespace tidelock::world {

class Link;
class Process;
class World;

// May be changed at any time; counts for what is sent from then on. Rates are per message, 0 to 1.
struct NetworkOptions {
  TimeRange delay{std::chrono::microseconds(100), std::chrono::microseconds(800)};
  TimeRange slow_delay{std::chrono::milliseconds(1), std::chrono::milliseconds(100)};
  double slow_rate = 0.001;
  double loss_rate = 0;
  double duplicate_rate = 0;
  bool keeps_order = false;  // Between two addresses; else a message can overtake another.
};

struct Message {
  std::string from;
  std::string bytes;
};

// Made with its World.
class Network {
 public:
  explicit Network(World& world);
  ~Network();

  NetworkOptions& options() { return options_; }

  // An address for a process, free again when the Link ends or the process is killed. Error: already_exists.
  std::unique_ptr<Link> open(Process& process, std::string address);

  // Nothing arrives any more from one at the other, also of what is under way. Addresses need not be open.
  void cut(std::string_view one, std::string_view other);  // Both ways.
  void cut_one_way(std::string_view from, std::string_view to);
  void heal(std::string_view one, std::string_view other);
  void heal_all();

 private:
  friend class Link;
  friend class Process;

  // A message under way.
  struct Delivery final : Timer {
    Delivery(Network& network, std::uint64_t serial, std::string to, Message message)
        : network(network), serial(serial), to(std::move(to)), message(std::move(message)) {}
    void fire() override { network.arrive(*this); }

    Network& network;
    const std::uint64_t serial;
    const std::string to;
    Message message;
  };
  using Route = std::pair<std::string, std::string>;  // From, to.

  void send(const std::string& from, std::string_view to, std::string bytes);
  void launch(const Route& route, std::string bytes);
  void arrive(Delivery& delivery);
  void kill_links_of(const Process& process);  // It was killed.

  World& world_;
  NetworkOptions options_;
  Random random_;
  std::uint64_t next_serial_ = 1;
  std::map<std::uint64_t, Delivery> under_way_;
  std::map<Route, Time> last_arrival_;
  std::set<Route> cut_;
  std::map<std::string, Link*, std::less<>> links_;
};

// An open address: what a socket is to a process. Used by its process's tasks; throws Crashed once that was killed.
class Link {
 public:
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  const std::string& address() const { return address_; }

  // Never waits, and never tells whether it arrives. An address that nobody has open loses what is sent to it.
  void send(std::string_view to, std::string bytes);
  // Empty at the deadline or when `stop` is requested.
  std::optional<Message> receive(base::Deadline deadline, const std::stop_token& stop = {});

 private:
  friend class Network;
  struct Mailbox;
  Link(Network& network, Process& process, std::string address);
  void check_alive() const;

  Network& network_;
  Process& process_;
  const std::string address_;
  bool dead_ = false;
  std::unique_ptr<Mailbox> mailbox_;
};

}  // namespace tidelock::world
