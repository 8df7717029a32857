#include "examples/market/live/ledger.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "tidelock/base/error.h"

namespace market {

Ledger::Ledger(const nlohmann::json& json) {
  try {
    received_ = json.at("received");
    duplicates_ = json.at("duplicates");
    out_of_order_ = json.at("out_of_order");
    for (const auto& [symbol, last] : json.at("symbols").items()) {
      last_[symbol] = {parse_date(last.at(0).get<std::string>()), last.at(1), last.at(2)};
    }
    for (const auto& place : json.at("missing")) {
      missing_.insert({place.at(0), parse_date(place.at(1).get<std::string>()), place.at(2)});
    }
  } catch (const std::exception& error) {
    throw tidelock::Error(tidelock::Code::corrupt, std::string("no ledger of ticks: ") + error.what());
  }
}

nlohmann::json Ledger::to_json() const {
  auto symbols = nlohmann::json::object();
  for (const auto& [symbol, last] : last_) symbols[symbol] = {to_text(last.day), last.number, last.of};
  auto missing = nlohmann::json::array();
  for (const auto& place : missing_) missing.push_back({place.symbol, to_text(place.day), place.number});
  return {{"received", received_},
          {"duplicates", duplicates_},
          {"out_of_order", out_of_order_},
          {"symbols", std::move(symbols)},
          {"missing", std::move(missing)}};
}

void Ledger::take(const Tick& tick) {
  const auto known = last_.find(tick.symbol);
  if (known != last_.end() && std::tie(tick.day, tick.number) <= std::tie(known->second.day, known->second.number)) {
    if (missing_.erase({tick.symbol, tick.day, tick.number}) == 0) {
      ++duplicates_;
    } else {  // Late.
      ++received_;
      ++out_of_order_;
    }
    return;
  }
  ++received_;
  const auto missing_before = missing_.size();
  if (known != last_.end() && known->second.day == tick.day) {
    miss(tick.symbol, tick.day, known->second.number + 1, tick.number);
  } else {
    if (known != last_.end()) miss(tick.symbol, known->second.day, known->second.number + 1, known->second.of);
    miss(tick.symbol, tick.day, 0, tick.number);
  }
  if (missing_.size() != missing_before) ++out_of_order_;
  last_[tick.symbol] = {tick.day, tick.number, tick.of};
}

void Ledger::miss(const std::string& symbol, Date day, int from, int to) {
  for (int number = from; number < to; ++number) missing_.insert({symbol, day, number});
}

std::uint64_t Ledger::unfinished() const {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(last_, [](const auto& symbol) { return symbol.second.number + 1 < symbol.second.of; }));
}

}  // namespace market
