// The little that drawing a chart needs: scales, ticks, and paths in SVG's own notation.
#pragma once

#include <string>
#include <vector>

namespace market {

// The range of some values. Empty until one was added.
struct Range {
  double low = 0;
  double high = 0;
  bool empty = true;

  void add(double value);
  // A little wider on both sides, and never without height.
  Range padded(double fraction) const;
};

// Maps values to coordinates in a straight line; `bottom` is where range.low goes.
class Scale {
 public:
  Scale(const Range& range, double bottom, double top)
      : low_(range.low),
        bottom_(bottom),
        factor_(range.high > range.low ? (top - bottom) / (range.high - range.low) : 0) {}
  double operator()(double value) const { return bottom_ + (value - low_) * factor_; }

 private:
  double low_;
  double bottom_;
  double factor_;
};

// Round values inside the range, one to about `count` of them, a step of 1, 2 or 5 times a power of ten apart.
std::vector<double> ticks(const Range& range, int count);
// Decimals that tell the ticks apart.
int decimals_of(const std::vector<double>& ticks);

std::string coordinate(double value);  // At most one decimal: enough for any screen, and short.

// The `d` of an SVG path.
class Path {
 public:
  Path& move(double x, double y);
  Path& line(double x, double y);  // The first point of a path is moved to.
  Path& close();
  Path& segment(double x1, double y1, double x2, double y2);
  Path& box(double left, double top, double right, double bottom);
  void lift() { drawing_ = false; }  // The next line() starts anew.

  bool empty() const { return text_.empty(); }
  // <path class="…" d="…"/>; nothing when empty.
  std::string element(const std::string& css_class) const;

 private:
  std::string text_;
  bool drawing_ = false;
};

}  // namespace market
