// The report's drawings, as inline SVG. Colours and line widths come from the page's style sheet.
#pragma once

#include <span>
#include <string>

#include "examples/market/report/model.h"

namespace market {

// A small line of values, oldest first, with a dot on the last. `label` says it in words, for those who cannot see it.
std::string sparkline(std::span<const double> values, double width, double height, const std::string& label);

// A bar from the middle: to the right for more, to the left for less. `full` is the fraction that fills half of it.
std::string change_bar(double fraction, double full);

// How large a candle chart is drawn. Text keeps its size, so each is for one width of screen.
struct CandleLayout {
  std::size_t bars;  // The last ones are shown.
  double width;
  double price_height;
  double volume_height;
  double macd_height;
  double rsi_height;
};
inline constexpr CandleLayout kWideLayout{120, 880, 250, 48, 72, 64};
inline constexpr CandleLayout kNarrowLayout{46, 350, 210, 40, 64, 56};

// Candles with averages and Bollinger bands, and below them volume, MACD and RSI. `bars` must not be empty.
std::string candle_chart(std::span<const Bar> bars, const CandleLayout& layout, const std::string& label);

}  // namespace market
