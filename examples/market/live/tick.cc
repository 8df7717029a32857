#include "examples/market/live/tick.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace market {

using tidelock::Code;
using tidelock::Error;

std::string to_text(Date day) {
  const std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

Date parse_date(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  char dash_1 = 0;
  char dash_2 = 0;
  std::istringstream in{std::string(text)};
  in >> year >> dash_1 >> month >> dash_2 >> day;
  const auto date = std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day);
  if (!in || !in.eof() || !date.ok() || to_text(date) != text) {
    throw Error(Code::invalid_argument, tidelock::base::quoted(text) + " is no date: write 2018-01-03");
  }
  return date;
}

std::string to_json(const Tick& tick) {
  return nlohmann::json{{"symbol", tick.symbol},
                        {"day", to_text(tick.day)},
                        {"tick", tick.number},
                        {"of", tick.of},
                        {"price", tick.price}}
      .dump();
}

Tick parse_tick(std::string_view json) {
  try {
    const auto object = nlohmann::json::parse(json);
    return {.symbol = object.at("symbol"),
            .day = parse_date(object.at("day").get<std::string>()),
            .number = object.at("tick"),
            .of = object.at("of"),
            .price = object.at("price")};
  } catch (const std::exception& error) {
    throw Error(Code::corrupt, "no tick: " + tidelock::base::quoted(json) + ": " + error.what());
  }
}

double price_at(const DayBar& bar, int number, int of) {
  const bool rising = bar.close >= bar.open;
  const double first = rising ? bar.low : bar.high;
  const double second = rising ? bar.high : bar.low;
  const double t = static_cast<double>(number) / (of - 1);
  const double price = t < 0.25   ? std::lerp(bar.open, first, t / 0.25)
                       : t < 0.75 ? std::lerp(first, second, (t - 0.25) / 0.5)
                                  : std::lerp(second, bar.close, (t - 0.75) / 0.25);
  return std::round(price * 1e4) / 1e4;
}

}  // namespace market
