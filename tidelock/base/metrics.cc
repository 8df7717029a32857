#include "tidelock/base/metrics.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <exception>
#include <functional>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

// What prometheus-cpp refuses by an exception of its own.
template <typename Make>
auto& made(const std::string& name, Make&& make) {
  try {
    return make();
  } catch (const std::exception& error) {
    throw Error(Code::invalid_argument, fmt::format("metric {} is refused: {}", base::quoted(name), error.what()));
  }
}

}  // namespace

void Counter::add(double amount) { counter_->Increment(amount); }
double Counter::value() const { return counter_->Value(); }

void Gauge::set(double value) { gauge_->Set(value); }
void Gauge::add(double amount) { gauge_->Increment(amount); }
double Gauge::value() const { return gauge_->Value(); }

void Histogram::observe(double value) { histogram_->Observe(value); }
void Histogram::observe(Duration duration) { histogram_->Observe(std::chrono::duration<double>(duration).count()); }

std::vector<double> duration_buckets() {
  return {1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100};
}

Metrics::Metrics() : registry_(std::make_unique<prometheus::Registry>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return Counter(made(name, [&]() -> auto& {
    return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add(labels);
  }));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return Gauge(made(name, [&]() -> auto& {
    return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels);
  }));
}

Histogram Metrics::histogram(const std::string& name, const std::string& help, const Labels& labels,
                             const std::vector<double>& buckets) {
  if (!std::is_sorted(buckets.begin(), buckets.end(), std::less_equal<>())) {
    throw Error(Code::invalid_argument,
                fmt::format("metric {} is refused: its buckets must increase", base::quoted(name)));
  }
  return Histogram(made(name, [&]() -> auto& {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry_).Add(labels, buckets);
  }));
}

std::string Metrics::text() const { return prometheus::TextSerializer().Serialize(registry_->Collect()); }

}  // namespace tidelock::base
