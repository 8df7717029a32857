// What is measured of a pool is so at any moment, and docs/sql.md names it.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/metrics.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/testing/fake_engine.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

using namespace std::chrono_literals;
using testing::make_fake;
using testing::Script;

// What of a line `name{a="x",b="y"} 1` is no label that all have.
std::map<std::string, std::set<std::string>> labels_of(std::string_view line) {
  std::map<std::string, std::set<std::string>> labels;
  const auto open = line.find('{');
  if (open == line.npos) return labels;
  std::istringstream list(std::string(line.substr(open + 1, line.rfind('}') - open - 1)));
  for (std::string label; std::getline(list, label, ',');) {
    const auto name = label.substr(0, label.find('='));
    if (name == "database" || name == "name" || name == "le") continue;
    labels[name].insert(label.substr(name.size() + 2, label.size() - name.size() - 3));
  }
  return labels;
}

// The rows of a table: a metric each, with its kind, its labels and its help.
std::string markdown(const std::string& metrics) {
  struct Row {
    std::string kind, help;
    std::map<std::string, std::set<std::string>> labels{};
  };
  std::map<std::string, Row> rows;
  std::string name;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      const auto space = line.find(' ', 7);
      name = line.substr(7, space - 7);
      rows[name].help = line.substr(space + 1);
    } else if (line.starts_with("# TYPE ")) {
      rows[name].kind = line.substr(line.rfind(' ') + 1);
    } else {
      for (const auto& [label, values] : labels_of(line)) rows[name].labels[label].insert(values.begin(), values.end());
    }
  }
  std::string table;
  for (const auto& [metric, row] : rows) {
    table += "| `" + metric + "` | " + row.kind + " |";
    for (const auto& [label, values] : row.labels) {
      table += " `" + label + "`:";
      for (const auto& value : values) table += (value == *values.begin() ? " `" : ", `") + value + "`";
    }
    table += " | " + row.help + " |\n";
  }
  return table;
}

TEST(PoolMetrics, TheDocumentationHasTheirTableAsItIs) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  testing::Script script{.is_server = true};
  const auto db = testing::make_fake(runtime, script);
  base::Metrics metrics;
  db->measure(metrics);
  const auto table = "| metric | kind | labels | what it counts |\n|---|---|---|---|\n" + markdown(metrics.text());
  EXPECT_NE(files.read(TIDELOCK_DOCS "/sql.md").find(table + "\n"), std::string::npos) << "docs/sql.md should have:\n\n"
                                                                                       << table;
}

WORLD_TEST(SqlPool, IsMeasured) {
  Script script;
  const auto db = make_fake(runtime, script, {.max_connections = 2});
  base::Metrics metrics;
  db->measure(metrics);
  const auto says = [&](const std::string& line) { return metrics.text().find(line) != std::string::npos; };
  {
    const auto a = db->connect();
    EXPECT_TRUE(says("tidelock_sql_pool_connections{database=\"fake:\",state=\"in_use\"} 1"));
    const auto b = db->connect();
    EXPECT_THROW_CODE(db->connect(runtime.in(1s)), Code::timeout);
  }
  EXPECT_TRUE(says("tidelock_sql_pool_connections{database=\"fake:\",state=\"in_use\"} 0"));
  EXPECT_TRUE(says("tidelock_sql_pool_connections{database=\"fake:\",state=\"idle\"} 2"));
  EXPECT_TRUE(says("tidelock_sql_pool_timeouts_total{database=\"fake:\"} 1"));
}

WORLD_TEST(SqlPool, WhatWasOpenedAndWhyItWasClosedIsMeasured) {
  Script script{.is_server = true};
  const auto db = make_fake(runtime, script, {.max_connections = 8, .max_lifetime = 1h, .max_idle = 10min});
  base::Metrics metrics;
  db->measure(metrics);
  const auto value = [&](const std::string& name, const std::string& labels = {}) {
    const auto line = name + "{database=\"fake:\"" + labels + "} ";
    const auto text = metrics.text();
    const auto at = text.find(line);
    return at == text.npos ? -1 : std::stod(text.substr(at + line.size()));
  };
  const auto idle = [&] { return value("tidelock_sql_pool_connections", ",state=\"idle\""); };
  const auto retired = [&](const std::string& why) {
    return value("tidelock_sql_pool_retired_total", ",reason=\"" + why + "\"");
  };
  {
    std::vector<Connection> burst;
    for (int i = 0; i < 8; ++i) burst.push_back(db->connect());
    auto waiter = runtime.spawn("waiter", [&](const std::stop_token&) { db->connect(); });
    while (db->pool_state().waiting == 0) runtime.yield();
    runtime.sleep_for(2s);
    burst.pop_back();
    waiter.join();
  }
  EXPECT_EQ(value("tidelock_sql_pool_opened_total"), 8);
  EXPECT_EQ(value("tidelock_sql_pool_wait_seconds_count"), 1);
  EXPECT_EQ(value("tidelock_sql_pool_wait_seconds_sum"), 2);
  EXPECT_EQ(idle(), 8);
  runtime.sleep_for(11min);
  db->connect();
  EXPECT_EQ(script.open, 1);
  EXPECT_EQ(idle(), 1);
  EXPECT_EQ(retired("unused"), 7);
  runtime.sleep_for(1h);
  db->connect();
  EXPECT_EQ(retired("old"), 1);
  EXPECT_EQ(retired("broken"), 0);
  EXPECT_EQ(value("tidelock_sql_pool_opened_total"), 9);
  EXPECT_EQ(idle(), 1);
}

// Also what is kept for tasks that are expected straight back, and what becomes of it when they stay away.
TEST(SqlPool, WhatIsMeasuredIsSoAtAnyMoment) {
  world::for_seeds(20, [](world::World& world) {
    world.run([&](base::Runtime& runtime) {
      Script script;
      const auto db = make_fake(runtime, script, {.max_connections = 3});
      base::Metrics metrics;
      db->measure(metrics);
      const auto shown = [&](const char* state) {
        return metrics.gauge("tidelock_sql_pool_connections", "", {{"database", "fake:"}, {"state", state}}).value();
      };
      const auto check = [&] {
        const auto state = db->pool_state();
        EXPECT_EQ(shown("in_use"), static_cast<double>(state.in_use));
        EXPECT_EQ(shown("idle"), static_cast<double>(state.open - state.in_use));
      };
      std::vector<base::Task> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(runtime.spawn("user", [&](const std::stop_token&) {
          for (int k = 0; k < 100; ++k) {
            try {
              const auto mine = db->connect(runtime.in(std::chrono::microseconds(runtime.random() % 10'000)));
              check();
              runtime.sleep_for(std::chrono::microseconds(runtime.random() % 100));
              check();
            } catch (const Error& error) {
              EXPECT_EQ(error.code(), Code::timeout) << error.what();
            }
            check();
            if (runtime.random() % 16 == 0) runtime.sleep_for(std::chrono::microseconds(runtime.random() % 2000));
            check();
          }
        }));
      }
      for (auto& task : tasks) task.join();
      check();
    });
  });
}

}  // namespace
}  // namespace tidelock::sql
