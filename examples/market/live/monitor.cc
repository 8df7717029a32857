#include "examples/market/live/monitor.h"

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

constexpr auto kGroup = "monitor";
constexpr std::size_t kBatch = 1000;
constexpr auto kSettlementInterval = 200ms;
constexpr auto kSession = 3s;  // A monitor that was killed is replaced after that.
constexpr auto kAfterAnError = 100ms;

// What must hold in every version of the books: each group has one open row, which continues from the group's last
// closed one; and each bar has its indicators.
constexpr auto kCheck = R"(
  with last_closed as (
    select group_id, arg_max(value, day) as value from group_stats where closed_at is not null group by group_id
  )
  select (select count(*) from group_stats where closed_at is null) = (select count(*) from groups)
     and (select count(*) from group_stats join last_closed using (group_id)
          where closed_at is null and previous <> last_closed.value) = 0
     and (select count(*) from bars) = (select count(*) from indicators)
)";

}  // namespace

Monitor::Monitor(base::Runtime& runtime, base::Files& files, broker::Broker& broker, Books& books, base::Log& log,
                 MonitorOptions options)
    : runtime_(runtime), files_(files), broker_(broker), books_(books), log_(log), options_(std::move(options)) {
  if (files_.info(options_.status)) resume();
  broker_.create_topic(kTopic, {.partitions = 4});
}

void Monitor::resume() {
  try {
    const auto status = nlohmann::json::parse(files_.read(options_.status));
    ledger_ = Ledger(status.at("ledger"));
    books_.resume(status);
    wrong_ = status.at("reads_wrong").get<std::uint64_t>();
    receive_errors_ = status.at("receive_errors");
  } catch (const nlohmann::json::exception& error) {
    throw Error(Code::corrupt, options_.status.string() + " is no status of a monitor: " + error.what());
  }
}

void Monitor::run(const std::stop_token& stop) {
  std::vector<base::Task> readers;
  for (int i = 0; i < options_.readers; ++i) {
    readers.push_back(
        runtime_.spawn("reader", [this](const std::stop_token& reader_stop) { read_books(reader_stop); }));
  }
  const auto consumer = broker_.consumer(kGroup, {kTopic}, {.session_timeout = kSession});
  while (!stop.stop_requested()) receive(*consumer, stop);
  for (auto& reader : readers) reader.request_stop();
  const auto deadline = runtime_.in(options_.drain);
  std::stop_source at_once;
  at_once.request_stop();
  do {
    receive(*consumer, at_once.get_token());
  } while (!all_received() && !deadline.passed(runtime_.now()));
  for (auto& reader : readers) reader.join();
  save_status();
}

void Monitor::read_books(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    books_.read([this](sql::Connection& connection) { check_books(connection); });
    runtime_.sleep_for(options_.pause, stop);
  }
}

void Monitor::check_books(sql::Connection& connection) {
  if (connection.one<bool>(kCheck)) return;
  if (wrong_++ == 0) log_.warning("the books do not add up");
}

void Monitor::receive(broker::Consumer& consumer, const std::stop_token& stop) {
  try {
    for (const auto& delivery : consumer.poll(kBatch, runtime_.in(kSettlementInterval), stop)) {
      ledger_.take(parse_tick(delivery.message.payload));
    }
    if (runtime_.now() >= next_settlement_ || stop.stop_requested()) settle(consumer);
  } catch (const Error& error) {
    ++receive_errors_;
    log_.warning("could not receive", {{"error", error.what()}});
    runtime_.sleep_for(kAfterAnError, stop);
  }
}

bool Monitor::all_received() {
  try {
    for (const auto& partition : broker_.progress(kGroup, kTopic)) {
      if (partition.lag() > 0) return false;
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

// First what is known, then the offsets: killed in between, the same ticks come again and are known.
void Monitor::settle(broker::Consumer& consumer) {
  next_settlement_ = runtime_.now() + kSettlementInterval;
  save_status();
  consumer.commit();
}

void Monitor::save_status() {
  auto status = books_.counts();
  status["reads_wrong"] = wrong_.load();
  status["receive_errors"] = receive_errors_;
  status["ticks_received"] = ledger_.received();
  status["ticks_duplicate"] = ledger_.duplicates();
  status["ticks_out_of_order"] = ledger_.out_of_order();
  status["ticks_missing"] = ledger_.missing();
  status["ledger"] = ledger_.to_json();
  files_.write_atomically(options_.status, status.dump(2) + "\n");
}

}  // namespace market
