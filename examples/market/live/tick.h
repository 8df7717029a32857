// One price of one symbol, as it goes through the topic `prices`, and how a day's prices come about.
#pragma once

#include <chrono>
#include <compare>
#include <string>
#include <string_view>

namespace market {

using Date = std::chrono::sys_days;

inline constexpr const char* kTopic = "prices";

struct Tick {
  std::string symbol;  // The message's key: ticks of a symbol stay in order.
  Date day;
  int number = 0;  // From 0 to of - 1 within the day.
  int of = 0;
  double price = 0;
};

std::string to_json(const Tick& tick);
// Error: tidelock::Error, corrupt, for text that is no tick.
Tick parse_tick(std::string_view json);

std::string to_text(Date day);  // 2018-01-03
// Error: tidelock::Error, invalid_argument.
Date parse_date(std::string_view text);

// A real day's prices.
struct DayBar {
  double open;
  double high;
  double low;
  double close;
};

// The price of tick `number` of `of` (at least 2): straight lines from the open to one extreme, to the other, to the
// close, which take a quarter, a half and a quarter of the day. A rising day falls to its low first, a falling day
// rises to its high first. The first tick is the open, the last the close, and all lie within the bar.
double price_at(const DayBar& bar, int number, int of);

}  // namespace market
