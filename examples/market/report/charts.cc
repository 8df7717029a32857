#include "examples/market/report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "examples/market/report/svg.h"
#include "examples/market/report/text.h"

namespace market {
namespace {

constexpr double kAxisWidth = 46;  // For the numbers at the right.
constexpr double kGap = 14;        // Between two panels.
constexpr double kDatesHeight = 18;

std::string open_svg(double width, double height, const std::string& css_class, const std::string& label) {
  return fmt::format(R"(<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">)", css_class, coordinate(width),
                     coordinate(height), escaped(label));
}

std::string text_at(double x, double y, const std::string& css_class, const std::string& text) {
  return fmt::format(R"(<text class="{}" x="{}" y="{}">{}</text>)", css_class, coordinate(x), coordinate(y),
                     escaped(text));
}

// One chart while it is drawn: the panels share their bars and their horizontal axis.
class CandleChart {
 public:
  CandleChart(std::span<const Bar> bars, const CandleLayout& layout)
      : bars_(bars), layout_(layout), plot_width_(layout.width - kAxisWidth), step_(plot_width_ / slots()) {}

  std::string draw(const std::string& label) {
    double top = 8;
    draw_prices(top, top + layout_.price_height);
    top += layout_.price_height + kGap;
    draw_volume(top, top + layout_.volume_height);
    top += layout_.volume_height + kGap;
    draw_macd(top, top + layout_.macd_height);
    top += layout_.macd_height + kGap;
    draw_rsi(top, top + layout_.rsi_height);
    top += layout_.rsi_height + kDatesHeight;
    draw_dates(top - 5, top - kDatesHeight);
    return open_svg(layout_.width, top, "candles", label) + grid_.element("grid") + body_ + "</svg>";
  }

 private:
  // A short history keeps the width of its candles and stands at the right.
  double slots() const { return static_cast<double>(layout_.bars); }
  double x(std::size_t i) const { return plot_width_ - step_ * (static_cast<double>(bars_.size() - i) - 0.5); }

  template <typename Field>
  Path line_of(Field field, const Scale& y) const {
    Path path;
    for (std::size_t i = 0; i < bars_.size(); ++i) {
      if (const std::optional<double>& value = bars_[i].*field) {
        path.line(x(i), y(*value));
      } else {
        path.lift();
      }
    }
    return path;
  }

  void draw_axis(const std::vector<double>& values, const Scale& y, int decimals) {
    for (const double value : values) {
      grid_.segment(0, y(value), plot_width_, y(value));
      body_ += text_at(plot_width_ + 6, y(value) + 3.5, "tick", grouped(value, decimals));
    }
  }

  void draw_prices(double top, double bottom) {
    Range range;
    for (const Bar& bar : bars_) {
      range.add(bar.low);
      range.add(bar.high);
      for (const auto& value : {bar.bollinger_low, bar.bollinger_high, bar.sma_60}) {
        if (value) range.add(*value);
      }
    }
    range = range.padded(0.03);
    const Scale y(range, bottom, top);
    const auto values = ticks(range, 7);
    draw_axis(values, y, decimals_of(values));
    body_ += band(y).element("band");
    body_ += line_of(&Bar::bollinger_low, y).element("band-edge");
    body_ += line_of(&Bar::bollinger_high, y).element("band-edge");
    body_ += line_of(&Bar::sma_60, y).element("line slow");
    body_ += line_of(&Bar::sma_20, y).element("line fast");
    draw_candles(y);
    draw_last_close(y);
  }

  // The area between the Bollinger bands: along the upper one, back along the lower one.
  Path band(const Scale& y) const {
    Path path;
    const auto has_band = [](const Bar& bar) { return bar.bollinger_low && bar.bollinger_high; };
    const auto first = static_cast<std::size_t>(std::ranges::find_if(bars_, has_band) - bars_.begin());
    if (first >= bars_.size()) return path;
    for (std::size_t i = first; i < bars_.size(); ++i) path.line(x(i), y(*bars_[i].bollinger_high));
    for (std::size_t i = bars_.size(); i-- > first;) path.line(x(i), y(*bars_[i].bollinger_low));
    return path.close();
  }

  // Rising ones hollow, falling ones filled: told apart without colour too.
  void draw_candles(const Scale& y) {
    Path rising_wicks, rising_bodies, falling_wicks, falling_bodies;
    const double half = std::max(step_ * 0.32, 0.8);
    for (std::size_t i = 0; i < bars_.size(); ++i) {
      const Bar& bar = bars_[i];
      const bool rising = bar.close >= bar.open;
      const double body_top = y(std::max(bar.open, bar.close));
      const double body_bottom = std::max(y(std::min(bar.open, bar.close)), body_top + 0.8);
      Path& wicks = rising ? rising_wicks : falling_wicks;
      if (y(bar.high) < body_top) wicks.segment(x(i), y(bar.high), x(i), body_top);
      if (y(bar.low) > body_bottom) wicks.segment(x(i), body_bottom, x(i), y(bar.low));
      (rising ? rising_bodies : falling_bodies).box(x(i) - half, body_top, x(i) + half, body_bottom);
    }
    body_ += rising_wicks.element("wick up") + rising_bodies.element("body up");
    body_ += falling_wicks.element("wick down") + falling_bodies.element("body down");
  }

  // The last close as a flag on the axis.
  void draw_last_close(const Scale& y) {
    const double at = y(bars_.back().close);
    body_ += Path().segment(0, at, plot_width_, at).element("last-line");
    body_ += fmt::format(R"(<rect class="flag" x="{}" y="{}" width="{}" height="16" rx="3"/>)",
                         coordinate(plot_width_ + 1), coordinate(at - 8), coordinate(kAxisWidth - 1));
    const double close = bars_.back().close;
    body_ += text_at(plot_width_ + 6, at + 3.5, "flag-text", grouped(close, close >= 1000 ? 1 : 2));
  }

  void draw_volume(double top, double bottom) {
    Range range;
    range.add(0);
    for (const Bar& bar : bars_) range.add(bar.volume);
    if (range.high <= 0) range.high = 1;
    const Scale y(range, bottom, top);
    Path rising, falling;
    const double half = std::max(step_ * 0.32, 0.8);
    for (std::size_t i = 0; i < bars_.size(); ++i) {
      const Bar& bar = bars_[i];
      (bar.close >= bar.open ? rising : falling).box(x(i) - half, y(bar.volume), x(i) + half, bottom);
    }
    grid_.segment(0, bottom, plot_width_, bottom);
    body_ += rising.element("volume up") + falling.element("volume down");
    body_ += text_at(plot_width_ + 6, top + 8, "tick", short_amount(range.high));
    body_ += text_at(1, top + 4, "panel-name", "Volume");
  }

  void draw_macd(double top, double bottom) {
    Range range;
    range.add(0);
    for (const Bar& bar : bars_) {
      for (const auto& value : {bar.macd, bar.macd_signal, bar.macd_histogram}) {
        if (value) range.add(*value);
      }
    }
    range = range.padded(0.06);
    const Scale y(range, bottom, top);
    const auto values = ticks(range, 4);
    draw_axis(values, y, decimals_of(values));
    Path above, below;
    const double half = std::max(step_ * 0.32, 0.8);
    for (std::size_t i = 0; i < bars_.size(); ++i) {
      if (!bars_[i].macd_histogram) continue;
      const double value = *bars_[i].macd_histogram;
      if (value >= 0) {
        above.box(x(i) - half, y(value), x(i) + half, y(0));
      } else {
        below.box(x(i) - half, y(0), x(i) + half, y(value));
      }
    }
    body_ += above.element("volume up") + below.element("volume down");
    body_ += line_of(&Bar::macd_signal, y).element("line slow");
    body_ += line_of(&Bar::macd, y).element("line fast");
    body_ += text_at(1, top + 4, "panel-name", "MACD 12 26 9");
  }

  void draw_rsi(double top, double bottom) {
    const Scale y(Range{.low = 0, .high = 100, .empty = false}, bottom, top);
    draw_axis({30, 70}, y, 0);
    body_ += fmt::format(R"(<rect class="band" x="0" y="{}" width="{}" height="{}"/>)", coordinate(y(70)),
                         coordinate(plot_width_), coordinate(y(30) - y(70)));
    body_ += line_of(&Bar::rsi_14, y).element("line fast");
    body_ += text_at(1, top + 4, "panel-name", "RSI 14");
  }

  // A name at the first bar of each month, with a line through all panels.
  void draw_dates(double baseline, double bottom) {
    double free_from = 0;
    for (std::size_t i = 1; i < bars_.size(); ++i) {
      const std::chrono::year_month_day date(bars_[i].date);
      if (date.month() == std::chrono::year_month_day(bars_[i - 1].date).month()) continue;
      const double left = x(i) - step_ / 2;
      grid_.segment(left, 8, left, bottom);
      if (left < free_from || left > plot_width_ - 20) continue;
      const bool new_year = date.month() == std::chrono::January;
      body_ += text_at(left + 3, baseline, "tick",
                       new_year ? fmt::format("{}", static_cast<int>(date.year())) : month_name(bars_[i].date));
      free_from = left + 34;
    }
  }

  std::span<const Bar> bars_;
  const CandleLayout& layout_;
  double plot_width_;
  double step_;
  Path grid_;
  std::string body_;
};

}  // namespace

std::string sparkline(std::span<const double> values, double width, double height, const std::string& label) {
  std::string result = open_svg(width, height, "spark", label);
  if (!values.empty()) {
    Range range;
    for (const double value : values) range.add(value);
    constexpr double kMargin = 3;  // Room for the dot.
    const Scale y(range.padded(0), height - kMargin, kMargin);
    const double step = values.size() > 1 ? (width - 2 * kMargin) / static_cast<double>(values.size() - 1) : 0;
    Path path;
    double x = kMargin;
    for (const double value : values) {
      path.line(x, y(value));
      x += step;
    }
    const double last_x = values.size() > 1 ? x - step : kMargin;
    const char* direction = values.back() >= values.front() ? "up" : "down";
    if (values.size() > 1) result += path.element("spark-line");
    result += fmt::format(R"(<circle class="dot {}" cx="{}" cy="{}" r="2.2"/>)", direction, coordinate(last_x),
                          coordinate(y(values.back())));
  }
  return result + "</svg>";
}

std::string change_bar(double fraction, double full) {
  constexpr double kHalf = 44;
  const double length = full > 0 ? std::clamp(std::abs(fraction) / full, 0.0, 1.0) * (kHalf - 1) : 0;
  const double left = fraction < 0 ? kHalf - length : kHalf;
  return fmt::format(
      R"(<svg class="change-bar" viewBox="0 0 {0} 14" aria-hidden="true">)"
      R"(<path class="grid" d="M{1} 0V14"/><rect class="volume {2}" x="{3}" y="3" width="{4}" height="8"/></svg>)",
      coordinate(2 * kHalf), coordinate(kHalf), fraction < 0 ? "down" : "up", coordinate(left), coordinate(length));
}

std::string candle_chart(std::span<const Bar> bars, const CandleLayout& layout, const std::string& label) {
  return CandleChart(bars.last(std::min(bars.size(), layout.bars)), layout).draw(label);
}

}  // namespace market
