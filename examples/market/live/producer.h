// Publishes the prices of the symbols on the watchlist, day by day, tick by tick.
//
// It neither blocks the jobs nor is blocked by them: the watchlist comes from the replica, and while there is nothing
// newer it goes on with what it has. What the topic holds says where it left off, so a producer that was killed goes on
// with the next tick; the ticks of one moment are published all at once, or none of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "examples/market/live/books.h"
#include "examples/market/live/exchange.h"
#include "examples/market/live/tick.h"
#include "tidelock/base/files.h"
#include "tidelock/base/log.h"
#include "tidelock/base/runtime.h"
#include "tidelock/broker/broker.h"

namespace market {

struct ProducerOptions {
  int ticks = 60;                   // A symbol and day; at least 2.
  tidelock::base::Duration pace{};  // Between two moments of a day.
  std::optional<Date> from{};       // The day to begin with while there is no replica: if not said, the first there is.
  tidelock::base::Path status;      // The file of its counters.
};

// Used by one task. Borrows what it is given.
class Producer {
 public:
  // Goes on counting from what an earlier producer wrote into the status file. Error: corrupt, when that is not one.
  Producer(tidelock::base::Runtime& runtime, tidelock::base::Files& files, tidelock::broker::Broker& broker,
           Books& books, const Exchange& exchange, tidelock::base::Log& log, ProducerOptions options);

  // Until `stop` is requested.
  void run(const std::stop_token& stop);

 private:
  // The next tick to publish.
  struct Position {
    Date day{};
    int number = 0;
  };

  void resume();
  bool take_up_position();
  void look_at_books();
  bool advance();
  bool publish_moment();
  void save_status();
  const std::vector<std::string>& symbols_of(Date day) const;

  tidelock::base::Runtime& runtime_;
  tidelock::base::Files& files_;
  tidelock::broker::Broker& broker_;
  Books& books_;
  const Exchange& exchange_;
  tidelock::base::Log& log_;
  const ProducerOptions options_;
  const std::optional<Date> default_day_;  // Whose prices are published while no list was ever read.

  std::unique_ptr<tidelock::broker::Producer> producer_;
  std::map<Date, std::vector<std::string>> lists_;  // Of the market days known so far; empty: the default list.
  Position position_;
  bool position_known_ = false;
  std::int64_t published_ = 0;  // Ticks in the topic, ever.
  std::uint64_t publish_errors_ = 0;
  tidelock::base::Instant next_status_{};
};

}  // namespace market
