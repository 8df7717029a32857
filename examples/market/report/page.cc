#include "examples/market/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "examples/market/report/charts.h"
#include "examples/market/report/style.h"
#include "examples/market/report/text.h"

namespace market {
namespace {

constexpr std::size_t kWatchlistSparkBars = 60;

std::string document(const std::string& title, const std::string& body) {
  return fmt::format(R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{}</title>
<link rel="icon" href="data:,">
<style>{}</style>
</head>
<body>
{}</body>
</html>
)",
                     escaped(title), kStyle, body);
}

const char* direction(double value) { return value > 0 ? "up" : value < 0 ? "down" : "soft"; }

std::string colored(double value, const std::string& text) {
  return fmt::format(R"(<span class="{}">{}</span>)", direction(value), text);
}

std::string words(double fraction) { return fraction < 0 ? "fell" : fraction > 0 ? "rose" : "stood still"; }

std::string figure(const std::string& name, const std::string& number, const std::string& note) {
  return fmt::format("<div><p class=\"eyebrow\">{}</p><p class=\"number\">{}</p><p class=\"soft small\">{}</p></div>\n",
                     name, number, note);
}

struct Total {
  double previous = 0;
  double value = 0;
  std::vector<double> history;

  double change() const { return value - previous; }
  double fraction() const { return previous == 0 ? 0 : value / previous - 1; }
};

Total total_of(const std::vector<Group>& groups) {
  Total total;
  for (const Group& group : groups) {
    total.previous += group.previous;
    total.value += group.value;
    // Histories end on the same day; one may begin earlier.
    if (total.history.empty()) total.history.assign(group.history.size(), 0);
    const std::size_t count = std::min(total.history.size(), group.history.size());
    for (std::size_t back = 1; back <= count; ++back) {
      total.history[total.history.size() - back] += group.history[group.history.size() - back];
    }
  }
  return total;
}

std::string header(const Report& report, const Total& total) {
  const auto rising = std::ranges::count_if(report.groups, [](const Group& g) { return g.change() > 0; });
  std::string result =
      fmt::format("<header>\n<p class=\"eyebrow\">Closing report</p>\n<h1>{}</h1>\n</header>\n", long_date(report.day));
  result += fmt::format(
      "<div class=\"figures\">\n<div class=\"total\"><div><p class=\"eyebrow\">All groups</p>"
      "<p class=\"number\">${}</p><p class=\"small\">{} <span class=\"soft\">since {}</span></p></div>{}</div>\n",
      grouped(total.value),
      colored(total.change(), fmt::format("{} ({})", signed_grouped(total.change()), signed_percent(total.fraction()))),
      short_date(report.day_before),
      sparkline(total.history, 150, 44, fmt::format("Worth of all groups over {} closes", total.history.size())));
  result += figure("Groups up", fmt::format("{} <span class=\"soft\">of {}</span>", rising, report.groups.size()),
                   fmt::format("{} members", grouped(report.users)));
  result += figure("Symbols up",
                   fmt::format("{} <span class=\"soft\">of {}</span>", report.advancing,
                               report.advancing + report.declining + report.unchanged),
                   fmt::format("{} down", report.declining));
  result += figure("Watchlist", fmt::format("{}", report.watchlist.size()), "chosen by rule");
  return result + "</div>\n";
}

std::string group_row(const Group& group, double full) {
  const double fraction = group.change_fraction();
  const double change = group.change();
  const auto symbol = [](const std::string& name) { return name.empty() ? std::string("–") : escaped(name); };
  return fmt::format(
      "<tr><td class=\"name\"><b>{}</b> <span class=\"soft\">{}</span></td><td class=\"wide-only soft\">{}</td>"
      "<td class=\"wide-only\">{}</td><td>{}<span class=\"before\">{}</span></td><td class=\"wide-only\">{}</td>"
      "<td>{}<span class=\"before\">{}</span></td><td class=\"wide-only\">{}</td><td>{}</td>"
      "<td class=\"wide-only\">{}</td><td class=\"wide-only\">{}</td></tr>\n",
      escaped(group.name), escaped(group.leaning), grouped(group.members), grouped(group.previous),
      grouped(group.value), grouped(group.previous), colored(change, signed_grouped(change)),
      colored(fraction, signed_percent(fraction)), signed_grouped(change), change_bar(fraction, full),
      sparkline(group.history, 96, 24,
                fmt::format("{} {} by {} on the day", group.name, words(fraction), percent(std::abs(fraction)))),
      symbol(group.best_symbol), symbol(group.worst_symbol));
}

std::string groups(const Report& report, const Total& total) {
  double full = 0;
  for (const Group& group : report.groups) full = std::max(full, std::abs(group.change_fraction()));
  std::string result = fmt::format(
      "<section id=\"groups\">\n<div class=\"heading\"><h2>Groups</h2><p class=\"soft small\">Worth in dollars at the "
      "close, and the symbols that moved it most</p></div>\n<table>\n<thead><tr><th>Group</th>"
      "<th class=\"wide-only\">Members</th><th class=\"wide-only\">{}</th><th>{}</th><th "
      "class=\"wide-only\">Change</th>"
      "<th><span class=\"wide-only\">%</span><span class=\"before\">Change</span></th><th class=\"wide-only\"></th>"
      "<th>{} closes</th><th class=\"wide-only\">Most for</th><th "
      "class=\"wide-only\">against</th></tr></thead>\n<tbody>\n",
      short_date(report.day_before), short_date(report.day), total.history.size());
  for (const Group& group : report.groups) result += group_row(group, full);
  result += fmt::format(
      "</tbody>\n<tfoot><tr><td>All</td><td class=\"wide-only\">{}</td><td class=\"wide-only\">{}</td>"
      "<td>{}<span class=\"before\">{}</span></td><td class=\"wide-only\">{}</td>"
      "<td>{}<span class=\"before\">{}</span></td><td class=\"wide-only\"></td><td></td><td class=\"wide-only\"></td>"
      "<td class=\"wide-only\"></td></tr></tfoot>\n",
      grouped(report.users), grouped(total.previous), grouped(total.value), grouped(total.previous),
      colored(total.change(), signed_grouped(total.change())),
      colored(total.change(), signed_percent(total.fraction())), signed_grouped(total.change()));
  return result + "</table>\n</section>\n";
}

double move_of(const Watched& watched) {
  const auto& bars = watched.bars;
  return bars.size() < 2 ? 0 : bars.back().close / bars[bars.size() - 2].close - 1;
}

std::string anchor_of(const Watched& watched) { return "chart-" + escaped(watched.symbol); }

std::string watchlist(const Report& report) {
  std::string result =
      "<section id=\"watchlist\">\n<div class=\"heading\"><h2>Watchlist</h2><p class=\"soft small\">The most "
      "remarkable "
      "of the day first</p></div>\n";
  if (report.watchlist.empty()) return result + "<p class=\"soft\">Nothing remarkable today.</p>\n</section>\n";
  result +=
      "<table>\n<thead><tr><th>Symbol</th><th>60 closes</th><th>Close</th><th>Change</th><th "
      "class=\"left\">Why</th></tr></thead>\n"
      "<tbody>\n";
  for (const Watched& watched : report.watchlist) {
    std::vector<double> closes;
    const std::size_t first = watched.bars.size() - std::min(watched.bars.size(), kWatchlistSparkBars);
    for (std::size_t i = first; i < watched.bars.size(); ++i) closes.push_back(watched.bars[i].close);
    const double move = move_of(watched);
    std::string reasons;
    for (const std::string& reason : watched.reasons) reasons += (reasons.empty() ? "" : "; ") + escaped(reason);
    result += fmt::format(
        "<tr><td class=\"name\"><a href=\"#{}\"><b>{}</b></a> <span class=\"soft\">{}</span></td><td>{}</td>"
        "<td>{}</td><td>{}</td><td class=\"reason\">{}</td></tr>\n",
        anchor_of(watched), escaped(watched.symbol), escaped(watched.company),
        sparkline(closes, 96, 24, fmt::format("{} over {} closes", watched.symbol, closes.size())),
        grouped(watched.bars.back().close, 2), colored(move, signed_percent(move)), reasons);
  }
  return result + "</tbody>\n</table>\n</section>\n";
}

std::string facts(const Watched& watched) {
  const Bar& bar = watched.bars.back();
  std::string result = "<p class=\"facts\">";
  const auto fact = [&result](const std::string& name, const std::string& value) {
    result += fmt::format("<span>{} <b>{}</b></span> ", name, value);
  };
  if (bar.rsi_14) fact("RSI", grouped(*bar.rsi_14, 1));
  if (watched.volatility_20) fact("Volatility", percent(*watched.volatility_20, 0) + " a year");
  if (watched.usual_volume && *watched.usual_volume > 0) {
    fact("Volume",
         fmt::format("{} ({} × usual)", short_amount(bar.volume), grouped(bar.volume / *watched.usual_volume, 1)));
  }
  result += R"(<span><i class="key fast"></i>20-day average, MACD</span> )"
            R"(<span><i class="key slow"></i>60-day average, signal</span> )"
            R"(<span><i class="key area"></i>Bollinger 20, 2</span></p>)";
  return result;
}

std::string chart(const Watched& watched) {
  const double move = move_of(watched);
  const std::string label = fmt::format(
      "Daily candles of {} with averages, Bollinger bands, volume, MACD and RSI; last "
      "close {}, {} on the day",
      watched.symbol, grouped(watched.bars.back().close, 2), signed_percent(move));
  std::string reasons;
  for (const std::string& reason : watched.reasons) reasons += (reasons.empty() ? "" : "; ") + escaped(reason);
  return fmt::format(
      "<article class=\"chart\" id=\"{}\">\n<div class=\"heading\"><h3>{} <span class=\"soft\">{}</span></h3>"
      "<p class=\"price\">{} {}</p></div>\n<p class=\"soft small\">{}{}{}</p>\n{}\n<div class=\"wide\">{}</div>"
      "<div class=\"narrow\">{}</div>\n</article>\n",
      anchor_of(watched), escaped(watched.symbol), escaped(watched.company), grouped(watched.bars.back().close, 2),
      colored(move, signed_percent(move)), escaped(watched.sector), watched.sector.empty() ? "" : " · ", reasons,
      facts(watched), candle_chart(watched.bars, kWideLayout, label), candle_chart(watched.bars, kNarrowLayout, label));
}

std::string charts(const Report& report) {
  if (report.watchlist.empty()) return "";
  std::string result = "<section id=\"charts\">\n<h2>Charts</h2>\n";
  for (const Watched& watched : report.watchlist) result += chart(watched);
  return result + "</section>\n";
}

constexpr std::string_view kFooter =
    "<footer>\n<p>Prices are real daily bars of NASDAQ companies (Cam Nugent, MIT licence; provided by IEX), adjusted "
    "for "
    "splits but not for dividends. The groups, their members and their holdings are invented.</p>\n"
    "<p>Hollow candles closed above their open, filled ones below. Drawn from the market replica.</p>\n</footer>\n";

}  // namespace

std::string page(const Report& report) {
  const Total total = total_of(report.groups);
  std::string body = header(report, total) + groups(report, total) + watchlist(report) + charts(report);
  body += kFooter;
  return document("Closing report, " + long_date(report.day), body);
}

std::string empty_page() {
  std::string body =
      "<header>\n<p class=\"eyebrow\">Closing report</p>\n<h1>No day has been closed yet</h1>\n</header>\n";
  body += kFooter;
  return document("Closing report", body);
}

}  // namespace market
