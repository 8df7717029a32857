#include "tidelock/world/network.h"

#include <algorithm>
#include <deque>

#include "tidelock/base/error.h"
#include "tidelock/world/crashed.h"
#include "tidelock/world/scheduler.h"
#include "tidelock/world/world.h"

namespace tidelock::world {

struct Link::Mailbox {
  std::deque<Message> messages;
  WaitQueue waiting;
};

Network::Network(World& world) : world_(world), random_(world.random().next()) {}
Network::~Network() = default;

std::unique_ptr<Link> Network::open(Process& process, std::string address) {
  if (links_.contains(address)) throw Error(Code::already_exists, "address " + address + " is in use");
  std::unique_ptr<Link> link(new Link(*this, process, std::move(address)));
  link->check_alive();
  links_.emplace(link->address(), link.get());
  return link;
}

void Network::cut(std::string_view one, std::string_view other) {
  cut_one_way(one, other);
  cut_one_way(other, one);
}

void Network::cut_one_way(std::string_view from, std::string_view to) {
  world_.trace(std::string("cut from ").append(from).append(" to ").append(to));
  cut_.emplace(from, to);
}

void Network::heal(std::string_view one, std::string_view other) {
  world_.trace(std::string("heal between ").append(one).append(" and ").append(other));
  cut_.erase(Route(one, other));
  cut_.erase(Route(other, one));
}

void Network::heal_all() {
  world_.trace("heal all");
  cut_.clear();
}

void Network::send(const std::string& from, std::string_view to, std::string bytes) {
  auto& scheduler = world_.scheduler();
  for (const auto part : {std::string_view(from), to, std::string_view(bytes)}) scheduler.trace().fold(part);
  scheduler.trace_event(bytes.size(), [&] {
    return "sends " + std::to_string(bytes.size()) + " bytes from " + from + " to " + std::string(to);
  });
  const Route route(from, to);
  if (cut_.contains(route) || random_.chance(options_.loss_rate)) return;
  if (random_.chance(options_.duplicate_rate)) launch(route, bytes);
  launch(route, std::move(bytes));
}

void Network::launch(const Route& route, std::string bytes) {
  const auto& range = random_.chance(options_.slow_rate) ? options_.slow_delay : options_.delay;
  auto at = world_.elapsed() + random_.between(range);
  if (options_.keeps_order) {
    auto& last = last_arrival_[route];
    at = last = std::max(at, last);
  }
  const auto serial = next_serial_++;
  const auto added =
      under_way_.try_emplace(serial, *this, serial, route.second, Message{route.first, std::move(bytes)});
  world_.scheduler().arm(added.first->second, at);
}

void Network::arrive(Delivery& delivery) {
  auto& scheduler = world_.scheduler();
  scheduler.trace().fold(delivery.serial);
  const auto link = links_.find(delivery.to);
  if (link != links_.end() && !cut_.contains(Route(delivery.message.from, delivery.to))) {
    auto& mailbox = *link->second->mailbox_;
    mailbox.messages.push_back(std::move(delivery.message));
    scheduler.wake_all(mailbox.waiting);
  }
  under_way_.erase(delivery.serial);  // The delivery itself.
}

void Network::kill_links_of(const Process& process) {
  std::erase_if(links_, [&](const auto& entry) {
    if (&entry.second->process_ != &process) return false;
    entry.second->dead_ = true;
    world_.scheduler().wake_all(entry.second->mailbox_->waiting);
    return true;
  });
}

Link::Link(Network& network, Process& process, std::string address)
    : network_(network), process_(process), address_(std::move(address)), mailbox_(std::make_unique<Mailbox>()) {}

Link::~Link() {
  if (dead_) return;
  const auto found = network_.links_.find(address_);
  if (found != network_.links_.end() && found->second == this) network_.links_.erase(found);
}

void Link::check_alive() const {
  if (dead_ || process_.crashed() || network_.world_.scheduler().current().dying()) throw Crashed();
}

void Link::send(std::string_view to, std::string bytes) {
  check_alive();
  network_.send(address_, to, std::move(bytes));
}

std::optional<Message> Link::receive(base::Deadline deadline, const std::stop_token& stop) {
  auto& scheduler = network_.world_.scheduler();
  const auto& machine = process_.machine();
  check_alive();
  const std::stop_callback wake(stop, [&] { scheduler.wake_all(mailbox_->waiting); });
  while (mailbox_->messages.empty()) {
    if (stop.stop_requested() || (!deadline.is_never() && deadline.passed(machine.now()))) return std::nullopt;
    scheduler.wait(&mailbox_->waiting, machine.when(deadline.at()), "a message to", address_);
    check_alive();
  }
  auto message = std::move(mailbox_->messages.front());
  mailbox_->messages.pop_front();
  return message;
}

}  // namespace tidelock::world
