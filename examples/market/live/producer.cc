#include "examples/market/live/producer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "tidelock/base/error.h"

namespace market {
namespace {

using namespace std::chrono_literals;
using tidelock::Code;
using tidelock::Error;
namespace base = tidelock::base;
namespace broker = tidelock::broker;
namespace sql = tidelock::sql;

constexpr auto kLook = 250ms;  // For a new watchlist, at the latest.
constexpr auto kAfterAnError = 100ms;
constexpr auto kStatusInterval = 500ms;

// Watched while no list is known.
const std::vector<std::string> kDefaultList = {"AAPL", "AMGN", "AMZN", "CMCSA", "COST", "CSCO",
                                               "FB",   "GOOG", "INTC", "MSFT",  "NVDA", "SBUX"};

// Each market day from a day on, with the list that was chosen when the day before was closed.
constexpr auto kLists = R"(
  with days as (select distinct day from group_stats),
       sequence as (select day, lag(day) over (order by day) as day_before from days)
  select sequence.day, watchlist.symbol
  from sequence left join watchlist on watchlist.day = sequence.day_before
  where sequence.day >= ?
  order by sequence.day, watchlist.rank
)";

}  // namespace

Producer::Producer(base::Runtime& runtime, base::Files& files, broker::Broker& broker, Books& books,
                   const Exchange& exchange, base::Log& log, ProducerOptions options)
    : runtime_(runtime),
      files_(files),
      broker_(broker),
      books_(books),
      exchange_(exchange),
      log_(log),
      options_(std::move(options)),
      default_day_(options_.from ? options_.from : exchange_.first_day()) {
  if (files_.info(options_.status)) resume();
  broker_.create_topic(kTopic, {.partitions = 4});
  producer_ = broker_.producer();
  if (default_day_) lists_[*default_day_] = {};
}

void Producer::resume() {
  try {
    const auto status = nlohmann::json::parse(files_.read(options_.status));
    books_.resume(status);
    publish_errors_ = status.at("publish_errors");
  } catch (const nlohmann::json::exception& error) {
    throw Error(Code::corrupt, options_.status.string() + " is no status of a producer: " + error.what());
  }
}

void Producer::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!position_known_ && !take_up_position()) {
      runtime_.sleep_for(kAfterAnError, stop);
      continue;
    }
    look_at_books();
    if (!advance()) {
      save_status();
      books_.wait_for_news(runtime_.in(kLook), stop);
      continue;
    }
    while (!stop.stop_requested() && position_.number < options_.ticks && publish_moment()) {
      if (runtime_.now() >= next_status_) save_status();
      runtime_.sleep_for(options_.pace, stop);
    }
  }
  save_status();
}

// Where the topic ends is where an earlier producer left off, however that one ended.
bool Producer::take_up_position() {
  try {
    Position position;
    for (const auto& delivery : broker_.newest(kTopic)) {
      const auto tick = parse_tick(delivery.message.payload);
      if (std::pair(tick.day, tick.number) >= std::pair(position.day, position.number)) {
        position = {tick.day, tick.number + 1};
      }
    }
    std::int64_t published = 0;
    for (const auto& partition : broker_.progress("", kTopic)) published += partition.end_offset;
    position_ = position;
    published_ = published;
    position_known_ = true;
    return true;
  } catch (const Error& error) {
    log_.warning("could not look at the topic", {{"error", error.what()}});
    return false;
  }
}

// What it cannot read now it reads later.
void Producer::look_at_books() {
  books_.read([&](sql::Connection& connection) {
    std::map<Date, std::vector<std::string>> lists;
    for (const auto row : connection.query(kLists, position_.day)) {
      auto& list = lists[row.get<Date>(0)];
      if (auto symbol = row.get<std::optional<std::string>>(1)) list.push_back(std::move(*symbol));
    }
    if (lists.empty()) return;
    if (position_.day == default_day_) lists.try_emplace(position_.day);  // It is brought to its end.
    lists_ = std::move(lists);
  });
}

// To the next day when this one is over; false when no later one is known.
bool Producer::advance() {
  if (lists_.contains(position_.day) && position_.number < options_.ticks) return true;
  auto next = lists_.upper_bound(position_.day);
  while (next != lists_.end() && !exchange_.is_open(next->first)) ++next;
  if (next == lists_.end()) return false;
  position_ = {next->first, 0};
  log_.info("prices of a day", {{"day", to_text(next->first)},
                                {"list", next->second.empty() ? "default" : "from the books"},
                                {"symbols", static_cast<std::int64_t>(symbols_of(next->first).size())}});
  return true;
}

const std::vector<std::string>& Producer::symbols_of(Date day) const {
  const auto found = lists_.find(day);
  return found == lists_.end() || found->second.empty() ? kDefaultList : found->second;
}

// The ticks of all symbols at one moment, in one transaction.
bool Producer::publish_moment() {
  std::vector<broker::Message> messages;
  for (const auto& symbol : symbols_of(position_.day)) {
    const auto bar = exchange_.bar(symbol, position_.day);
    if (!bar) continue;
    const Tick tick{.symbol = symbol,
                    .day = position_.day,
                    .number = position_.number,
                    .of = options_.ticks,
                    .price = price_at(*bar, position_.number, options_.ticks)};
    messages.push_back({symbol, to_json(tick), {}});
  }
  try {
    producer_->publish(kTopic, messages);
    published_ += static_cast<std::int64_t>(messages.size());
    ++position_.number;
    return true;
  } catch (const Error& error) {
    ++publish_errors_;
    position_known_ = false;  // It may have been published.
    log_.warning("could not publish", {{"error", error.what()}});
    return false;
  }
}

void Producer::save_status() {
  next_status_ = runtime_.now() + kStatusInterval;
  auto status = books_.counts();
  status["ticks_published"] = published_;
  status["publish_errors"] = publish_errors_;
  status["day"] = to_text(position_.day);
  status["tick"] = position_.number;
  files_.write_atomically(options_.status, status.dump(2) + "\n");
}

}  // namespace market
