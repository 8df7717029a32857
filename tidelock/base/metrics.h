// Counters, gauges and histograms, shown as Prometheus text. A thin face over prometheus-cpp's registry, so that its
// headers stay out of ours.
//
//   Metrics metrics;
//   auto acquired = metrics.counter("tidelock_lock_acquired_total", "Leases got.", {{"backend", "sqlite"}});
//   acquired.add();
//
// There is no clock inside: whoever measures a duration observes it in seconds, the unit of the name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/time.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace tidelock::base {

// Handles: small values that share what they point to; valid as long as their Metrics. Thread-safe, and cheap enough
// for a hot path; making one is not, so keep it.
class Counter {
 public:
  void add(double amount = 1);  // A negative amount is ignored: a counter only grows.
  double value() const;

 private:
  friend class Metrics;
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  prometheus::Counter* counter_;
};

class Gauge {
 public:
  void set(double value);
  void add(double amount);
  double value() const;

 private:
  friend class Metrics;
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  prometheus::Gauge* gauge_;
};

class Histogram {
 public:
  void observe(double value);
  void observe(Duration duration);  // In seconds.

 private:
  friend class Metrics;
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
  prometheus::Histogram* histogram_;
};

using Labels = std::map<std::string, std::string>;

// 100 µs to 100 s, three bounds a decade: for durations in seconds.
std::vector<double> duration_buckets();

// Thread-safe. The same name and labels give the same metric; help and buckets count the first time only.
// Errors of all three: invalid_argument for a malformed name or label, for bounds that do not increase, or for a name
// that another kind of metric has.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `buckets`: upper bounds, increasing; one without a bound is added.
  Histogram histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                      const std::vector<double>& buckets = duration_buckets());

  // Everything, in the Prometheus text format 0.0.4.
  std::string text() const;

 private:
  std::unique_ptr<prometheus::Registry> registry_;
};

}  // namespace tidelock::base
