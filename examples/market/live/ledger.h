// Keeps account of the ticks that arrive: is the order of each symbol kept, is anything missing, what came twice?
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "examples/market/live/tick.h"

namespace market {

// Used by one task at a time.
class Ledger {
 public:
  Ledger() = default;
  // What to_json() gave. Error: tidelock::Error, corrupt.
  explicit Ledger(const nlohmann::json& json);
  nlohmann::json to_json() const;

  void take(const Tick& tick);

  std::uint64_t received() const { return received_; }          // Different ticks.
  std::uint64_t duplicates() const { return duplicates_; }      // Ticks that had come before: at least once.
  std::uint64_t out_of_order() const { return out_of_order_; }  // Ticks that did not follow their symbol's last one.
  std::uint64_t missing() const { return missing_.size(); }     // Passed over and not seen since.
  // Days of a symbol of which the last tick has not come yet.
  std::uint64_t unfinished() const;

 private:
  // Where a symbol stands.
  struct Last {
    Date day;
    int number = 0;
    int of = 0;
  };
  struct Place {
    std::string symbol;
    Date day;
    int number = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  void miss(const std::string& symbol, Date day, int from, int to);

  std::map<std::string, Last> last_;
  std::set<Place> missing_;
  std::uint64_t received_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t out_of_order_ = 0;
};

}  // namespace market
