// Stands in for the exchange: what each symbol costs during each day.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "examples/market/live/tick.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"

namespace market {

// Constant once made.
class Exchange {
 public:
  // Reads the daily bars of a CSV file (symbol, date, open, high, low, close, volume; plain, .gz or .zst) from a day
  // on; bars without a price are left out. Errors: those of reading the file, with its name.
  Exchange(tidelock::base::Runtime& runtime, tidelock::base::Files& files, const tidelock::base::Path& bars, Date from);

  // Empty when it did not trade that day.
  std::optional<DayBar> bar(const std::string& symbol, Date day) const;
  bool is_open(Date day) const { return days_.contains(day); }
  // The first day there are bars of; empty when there are none.
  std::optional<Date> first_day() const { return days_.empty() ? std::nullopt : std::optional(*days_.begin()); }

 private:
  std::map<std::pair<std::string, Date>, DayBar> bars_;
  std::set<Date> days_;
};

}  // namespace market
