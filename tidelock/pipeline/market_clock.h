// The clock of the schedules: the real time, or historic time replayed faster.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tidelock/base/runtime.h"
#include "tidelock/base/time.h"

namespace tidelock::pipeline {

// Historic days to run through. In the replay the schedules see its time, everything else the real one.
struct Replay {
  std::string first;  // "2018-01-03": its first midnight begins the replay.
  std::string last;   // Included: the midnight after it ends the replay, and what is due then is run.
  base::Duration day = std::chrono::seconds(2);  // How long a day takes.

  base::WallTime begin;
  base::WallTime end;

  // days: "2018-01-03..2018-02-08", on the calendar of the zone. Error: invalid_argument.
  static Replay parse(std::string_view days, base::Duration day, std::string_view zone);
};

// Of midnight at the beginning of a day, which has the form 2018-01-03. Error: invalid_argument.
base::WallTime midnight(std::string_view date, std::string_view zone);
// "2018-01-03 14:00" as clocks in the zone show it.
std::string local_time(base::WallTime moment, std::string_view zone);
std::string local_date(base::WallTime moment, std::string_view zone);

// Used by one task at a time. Borrows the Runtime.
class MarketClock {
 public:
  explicit MarketClock(base::Runtime& runtime) : runtime_(runtime) {}
  // Stands at `from` until set() or go().
  MarketClock(base::Runtime& runtime, base::WallTime from, base::Duration day)
      : runtime_(runtime), day_(day), shown_(from) {}

  bool is_replay() const { return day_.has_value(); }
  base::WallTime now() const;
  // When it will show `moment`, as things stand; never while it stands before it.
  base::Instant when(base::WallTime moment) const;

  // Only in a replay: it shows `moment` now, and goes on or stands there.
  void go(base::WallTime moment);
  void stand(base::WallTime moment);

 private:
  base::Runtime& runtime_;
  std::optional<base::Duration> day_{};   // How long one takes; empty: this is the real time.
  base::WallTime shown_{};                // What it showed when it was set.
  std::optional<base::Instant> since_{};  // When that was; empty: it stands.
};

}  // namespace tidelock::pipeline
