// Where the cases of this folder run: a store on each engine that jobs write to, a state on each that can hold it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tidelock/batch/testing/bench.h"
#include "tidelock/sql/testing/needs.h"

namespace tidelock::batch::conformance {

// One case's own: nobody else has these databases.
struct Place {
  base::Runtime& runtime;
  base::Files& files;
  base::Path folder;  // For files that a case reads.
  testing::BenchUrls urls;

  // May be opened several times, as by several processes.
  testing::Bench bench() const { return {runtime, files, urls}; }
};

struct Engine {
  std::string name;
  std::function<void(const std::function<void(const Place&)>&)> run;
  std::string unavailable;  // Why it cannot run here; empty: it can.
};

inline void PrintTo(const Engine& engine, std::ostream* out) { *out << engine.name; }

std::vector<Engine> stores_to_test();   // The state is SQLite, except for stores of servers, which hold it too.
std::vector<Engine> servers_to_test();  // The latter of these.
std::vector<Engine> states_to_test();   // One for each engine that holds a state; the store is of the same.

class BatchConformance : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override { TIDELOCK_NEEDS(GetParam().unavailable); }
  void run(const std::function<void(const Place&)>& body) const { GetParam().run(body); }
};

#define TIDELOCK_BATCH_CONFORMANCE(suite, engines)                       \
  class suite : public BatchConformance {};                              \
  INSTANTIATE_TEST_SUITE_P(Engines, suite, ::testing::ValuesIn(engines), \
                           [](const auto& info) { return info.param.name; })

}  // namespace tidelock::batch::conformance
