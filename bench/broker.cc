// A broker in an SQLite file, through two processes: this one reads what a child publishes. `synchronous` is that of
// the URL: normal (0) survives the death of any process, full (1) a power cut as well.
#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/process.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/broker/backends/all.h"

namespace tidelock::broker {
namespace {

using namespace std::chrono_literals;

constexpr int kMessages = 100'000;
constexpr int kBatch = 100;
constexpr int kPaced = 2000;
constexpr auto kPace = 2ms;
constexpr std::string_view kPayload = R"({"symbol":"AAPL","price":159.54,"size":100})";

base::Url url_of(const std::filesystem::path& folder, bool full) {
  return base::Url::parse("sqlite:" + (folder / "broker.db").string() + "?synchronous=" + (full ? "full" : "normal"));
}

std::string key_of(int i) { return "S" + std::to_string(i % 50); }

// The child: `count` messages, `batch` a call, resting for `pace` after each call.
int publish(const std::string& url, int count, int batch, base::Duration pace) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto broker = open(runtime, files, base::Url::parse(url));
  const auto producer = broker->producer();
  for (int i = 0; i < count; i += batch) {
    std::vector<Message> messages;
    for (int k = i; k < i + batch; ++k) messages.push_back({key_of(k), std::string(kPayload), {}});
    producer->publish("bench", messages);
    if (pace > 0s) runtime.sleep_for(pace);
  }
  return 0;
}

// A folder of its own, with the topic in it.
class Topic {
 public:
  explicit Topic(bool full) : folder_(std::filesystem::temp_directory_path() / "tidelock-bench-broker") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    url_ = url_of(folder_, full);
    broker = open(runtime, files, url_);
    broker->create_topic("bench", {.partitions = 4});
  }
  ~Topic() {
    broker.reset();
    std::filesystem::remove_all(folder_);
  }

  base::ChildProcess child(int count, int batch, base::Duration pace) {
    const auto pace_us = std::chrono::duration_cast<std::chrono::microseconds>(pace).count();
    return {runtime,
            {.argv = {"/proc/self/exe", "--publish", url_.to_string(), std::to_string(count), std::to_string(batch),
                      std::to_string(pace_us)}}};
  }

  base::RealRuntime runtime;
  base::RealFiles files{runtime};
  std::unique_ptr<Broker> broker;

 private:
  std::filesystem::path folder_;
  base::Url url_{};
};

double seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Messages a second by SQLite's own API, one process, no reader: the floor.
double raw_messages_per_second(base::Runtime& runtime, bool full) {
  const auto folder = std::filesystem::temp_directory_path() / "tidelock-bench-broker-raw";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  sqlite3* raw = nullptr;
  sqlite3_open((folder / "raw.db").c_str(), &raw);
  const auto run = [&](const char* sql) { sqlite3_exec(raw, sql, nullptr, nullptr, nullptr); };
  run("pragma journal_mode = wal");
  run(full ? "pragma synchronous = full" : "pragma synchronous = normal");
  run("create table m (part integer, position integer, k text, payload blob, at integer, "
      "primary key (part, position)) without rowid");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(raw, "insert into m values (?, ?, ?, ?, ?)", -1, &insert, nullptr);
  const auto begin = runtime.now();
  for (int i = 0; i < kMessages; ++i) {
    if (i % kBatch == 0) run("begin immediate");
    const auto key = key_of(i);
    sqlite3_bind_int64(insert, 1, partition_of(key, 4));
    sqlite3_bind_int64(insert, 2, i);
    sqlite3_bind_text(insert, 3, key.data(), static_cast<int>(key.size()), SQLITE_TRANSIENT);
    sqlite3_bind_blob(insert, 4, kPayload.data(), static_cast<int>(kPayload.size()), SQLITE_STATIC);
    sqlite3_bind_int64(insert, 5, i);
    sqlite3_step(insert);
    sqlite3_reset(insert);
    if (i % kBatch == kBatch - 1) run("commit");
  }
  const auto took = runtime.now() - begin;
  sqlite3_finalize(insert);
  sqlite3_close(raw);
  std::filesystem::remove_all(folder);
  return kMessages / seconds(took);
}

// From the first message received to the last one received and committed, while the child publishes.
void throughput(benchmark::State& state) {
  const bool full = state.range(0) == 1;
  double ours = 0;
  double raw = 0;
  for (auto _ : state) {
    Topic topic(full);
    const auto consumer = topic.broker->consumer("bench", {"bench"});
    consumer->poll(1, topic.runtime.now());  // Joins.
    auto child = topic.child(kMessages, kBatch, 0s);
    base::Instant begin{};
    for (int got = 0; got < kMessages;) {
      const auto deliveries = consumer->poll(kBatch, topic.runtime.in(30s));
      if (deliveries.empty()) return state.SkipWithError("nothing comes");
      if (got == 0) begin = topic.runtime.now();
      got += static_cast<int>(deliveries.size());
      consumer->commit();
    }
    const auto took = seconds(topic.runtime.now() - begin);
    child.wait();
    state.SetIterationTime(took);
    ours = kMessages / took;
    raw = raw_messages_per_second(topic.runtime, full);
  }
  state.counters["messages_per_s"] = ours;
  state.counters["raw_inserts_per_s"] = raw;
  state.counters["ratio"] = raw / ours;
}
BENCHMARK(throughput)->ArgName("full")->Arg(0)->Arg(1)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);

// From the time in the message, taken inside the transaction that publishes it, to the return of poll().
void latency(benchmark::State& state) {
  std::vector<double> ms;
  for (auto _ : state) {
    Topic topic(state.range(0) == 1);
    const auto consumer = topic.broker->consumer("bench", {"bench"});
    consumer->poll(1, topic.runtime.now());
    auto child = topic.child(kPaced, 1, kPace);
    const auto begin = topic.runtime.now();
    for (int got = 0; got < kPaced;) {
      const auto deliveries = consumer->poll(kBatch, topic.runtime.in(30s));
      if (deliveries.empty()) return state.SkipWithError("nothing comes");
      const auto now = topic.runtime.wall_now();
      for (const auto& delivery : deliveries) ms.push_back(seconds(now - delivery.published_at) * 1e3);
      got += static_cast<int>(deliveries.size());
      consumer->commit();
    }
    state.SetIterationTime(seconds(topic.runtime.now() - begin));
    child.wait();
  }
  std::ranges::sort(ms);
  state.counters["p50_ms"] = ms[ms.size() / 2];
  state.counters["p99_ms"] = ms[ms.size() * 99 / 100];
  state.counters["max_ms"] = ms.back();
}
BENCHMARK(latency)->ArgName("full")->Arg(0)->Arg(1)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace tidelock::broker

int main(int argc, char** argv) {
  if (argc == 6 && std::string_view(argv[1]) == "--publish") {
    return tidelock::broker::publish(argv[2], std::stoi(argv[3]), std::stoi(argv[4]),
                                     std::chrono::microseconds(std::stol(argv[5])));
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
