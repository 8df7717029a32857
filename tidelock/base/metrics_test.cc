#include "tidelock/base/metrics.h"

#include <gtest/gtest.h>

#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

bool has_line(const Metrics& metrics, const std::string& line) {
  return ('\n' + metrics.text()).find('\n' + line + '\n') != std::string::npos;
}

TEST(Metrics, TheSameNameAndLabelsAreOneCounter) {
  Metrics metrics;
  metrics.counter("runs_total", "Runs.", {{"job", "a"}}).add();
  metrics.counter("runs_total", "Runs.", {{"job", "a"}}).add(2);
  auto other = metrics.counter("runs_total", "Runs.", {{"job", "b"}});
  other.add(-1);
  EXPECT_EQ(other.value(), 0);
  EXPECT_TRUE(has_line(metrics, "# HELP runs_total Runs.")) << metrics.text();
  EXPECT_TRUE(has_line(metrics, "# TYPE runs_total counter")) << metrics.text();
  EXPECT_TRUE(has_line(metrics, "runs_total{job=\"a\"} 3")) << metrics.text();
  EXPECT_TRUE(has_line(metrics, "runs_total{job=\"b\"} 0")) << metrics.text();
}

TEST(Metrics, AGaugeGoesUpAndDown) {
  Metrics metrics;
  auto gauge = metrics.gauge("held", "Leases held.");
  gauge.set(5);
  gauge.add(-2);
  EXPECT_EQ(gauge.value(), 3);
  EXPECT_TRUE(has_line(metrics, "held 3")) << metrics.text();
}

TEST(Metrics, AHistogramCountsDurationsInSeconds) {
  Metrics metrics;
  auto wait = metrics.histogram("wait_seconds", "Waits.", {}, {0.1, 1});
  wait.observe(50ms);
  wait.observe(500ms);
  wait.observe(7.0);
  for (const auto line : {"wait_seconds_bucket{le=\"0.1\"} 1", "wait_seconds_bucket{le=\"1\"} 2",
                          "wait_seconds_bucket{le=\"+Inf\"} 3", "wait_seconds_count 3", "wait_seconds_sum 7.55"}) {
    EXPECT_TRUE(has_line(metrics, line)) << line << " in\n" << metrics.text();
  }
}

TEST(Metrics, ALabelMayHoldAnything) {
  Metrics metrics;
  metrics.counter("c_total", "C.", {{"key", "a\"b\\c\nd"}}).add();
  EXPECT_TRUE(has_line(metrics, R"(c_total{key="a\"b\\c\nd"} 1)")) << metrics.text();
}

TEST(Metrics, WhatCannotBeAMetricIsRefused) {
  Metrics metrics;
  EXPECT_THROW_CODE(metrics.counter("no spaces", "X."), Code::invalid_argument);
  EXPECT_THROW_CODE(metrics.counter("c_total", "X.", {{"no-dash", "x"}}), Code::invalid_argument);
  metrics.counter("taken_total", "X.");
  EXPECT_THROW_CODE(metrics.gauge("taken_total", "X."), Code::invalid_argument);
  EXPECT_THROW_CODE(metrics.histogram("h", "X.", {}, {2, 1}), Code::invalid_argument);
  EXPECT_THROW_CODE(metrics.histogram("h", "X.", {}, {1, 1}), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::base
