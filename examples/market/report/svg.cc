#include "examples/market/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace market {

void Range::add(double value) {
  low = empty ? value : std::min(low, value);
  high = empty ? value : std::max(high, value);
  empty = false;
}

Range Range::padded(double fraction) const {
  Range result = *this;
  double margin = (high - low) * fraction;
  if (high <= low) margin = std::max(std::abs(high) * 0.01, 0.01);
  result.low -= margin;
  result.high += margin;
  return result;
}

std::vector<double> ticks(const Range& range, int count) {
  const double rough = (range.high - range.low) / std::max(count, 1);
  if (!(rough > 0)) return {range.low};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> result;
  for (double n = std::ceil(range.low / step); n * step <= range.high; ++n) result.push_back(n * step);
  return result;
}

int decimals_of(const std::vector<double>& ticks) {
  if (ticks.size() < 2) return ticks.empty() || ticks[0] == std::round(ticks[0]) ? 0 : 2;
  return std::clamp(static_cast<int>(std::ceil(-std::log10(ticks[1] - ticks[0]) - 1e-9)), 0, 4);
}

std::string coordinate(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

Path& Path::move(double x, double y) {
  text_ += fmt::format("M{} {}", coordinate(x), coordinate(y));
  drawing_ = true;
  return *this;
}

Path& Path::line(double x, double y) {
  if (!drawing_) return move(x, y);
  text_ += fmt::format("L{} {}", coordinate(x), coordinate(y));
  return *this;
}

Path& Path::close() {
  text_ += 'Z';
  drawing_ = false;
  return *this;
}

Path& Path::segment(double x1, double y1, double x2, double y2) {
  move(x1, y1).line(x2, y2);
  drawing_ = false;
  return *this;
}

Path& Path::box(double left, double top, double right, double bottom) {
  text_ += fmt::format("M{} {}H{}V{}H{}Z", coordinate(left), coordinate(top), coordinate(right), coordinate(bottom),
                       coordinate(left));
  drawing_ = false;
  return *this;
}

std::string Path::element(const std::string& css_class) const {
  if (text_.empty()) return "";
  return fmt::format("<path class=\"{}\" d=\"{}\"/>", css_class, text_);
}

}  // namespace market
