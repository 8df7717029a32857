// Receives all ticks and keeps account of them, and reads the books as hard as it can meanwhile.
//
// What it knows is in its status file, which is written before the broker is told that the ticks are done: a monitor
// that was killed gets the last ones again, and sees that it had them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "examples/market/live/books.h"
#include "examples/market/live/ledger.h"
#include "tidelock/base/files.h"
#include "tidelock/base/log.h"
#include "tidelock/base/runtime.h"
#include "tidelock/broker/broker.h"

namespace market {

struct MonitorOptions {
  int readers = 2;                   // Tasks that read the books.
  tidelock::base::Duration pause{};  // Of each, between two reads.
  tidelock::base::Duration drain{};  // How long it goes on receiving when it is to stop.
  tidelock::base::Path status;       // The file of its counters.
};

// Used by one task. Borrows what it is given.
class Monitor {
 public:
  // Takes up what an earlier monitor wrote into the status file. Error: corrupt, when that is not one.
  Monitor(tidelock::base::Runtime& runtime, tidelock::base::Files& files, tidelock::broker::Broker& broker,
          Books& books, tidelock::base::Log& log, MonitorOptions options);

  // Until `stop` is requested and every tick in the topic has arrived.
  void run(const std::stop_token& stop);

 private:
  void resume();
  void read_books(const std::stop_token& stop);
  void check_books(tidelock::sql::Connection& connection);
  void receive(tidelock::broker::Consumer& consumer, const std::stop_token& stop);
  bool all_received();
  void settle(tidelock::broker::Consumer& consumer);
  void save_status();

  tidelock::base::Runtime& runtime_;
  tidelock::base::Files& files_;
  tidelock::broker::Broker& broker_;
  Books& books_;
  tidelock::base::Log& log_;
  const MonitorOptions options_;

  Ledger ledger_;
  std::atomic<std::uint64_t> wrong_ = 0;  // Reads in which the books did not add up.
  std::uint64_t receive_errors_ = 0;
  tidelock::base::Instant next_settlement_{};
};

}  // namespace market
