// docs/sql.md names every metric of a pool.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "tidelock/base/metrics.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/testing/fake_engine.h"

namespace tidelock::sql {
namespace {

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

}  // namespace
}  // namespace tidelock::sql
