// What the report shows, as plain data. Read from the replica by read.h, drawn by page.h.
//
// Money is double here: it is drawn and printed to the dollar, never added up for the books.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace market {

using Date = std::chrono::sys_days;

// One bar with its indicators; empty where the history is too short for one.
struct Bar {
  Date date;
  double open;
  double high;
  double low;
  double close;
  double volume;
  std::optional<double> sma_20;
  std::optional<double> sma_60;
  std::optional<double> bollinger_low;
  std::optional<double> bollinger_high;
  std::optional<double> macd;
  std::optional<double> macd_signal;
  std::optional<double> macd_histogram;
  std::optional<double> rsi_14;
};

struct Watched {
  int rank;
  std::string symbol;
  std::string company;
  std::string sector;  // May be empty.
  std::vector<std::string> reasons;
  std::optional<double> volatility_20;  // A year's, as a fraction.
  std::optional<double> usual_volume;   // The 20-day average of the day before.
  std::vector<Bar> bars;                // Oldest first, at least one; the last is the day of the report.
};

struct Group {
  int id;
  std::string name;
  std::string leaning;
  int members;
  double previous;
  double value;
  std::string best_symbol;      // May be empty.
  std::string worst_symbol;     // May be empty.
  std::vector<double> history;  // The worth at each close shown, oldest first; the last two are `previous` and `value`.

  double change() const { return value - previous; }
  double change_fraction() const { return previous == 0 ? 0 : value / previous - 1; }
};

// One closed day. The day before is the market day before.
struct Report {
  Date day;
  Date day_before;
  std::vector<Group> groups;       // By change, best first.
  std::vector<Watched> watchlist;  // By rank.
  int advancing = 0;               // Symbols.
  int declining = 0;
  int unchanged = 0;
  int users = 0;
};

}  // namespace market
