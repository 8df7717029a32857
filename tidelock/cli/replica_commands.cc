#include "tidelock/cli/replica_commands.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/log.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/cli/advice.h"
#include "tidelock/cli/arbiter.h"
#include "tidelock/cli/json_text.h"
#include "tidelock/cli/lock_view.h"
#include "tidelock/cli/row_printer.h"
#include "tidelock/cli/table.h"
#include "tidelock/replica/health.h"
#include "tidelock/replica/publisher.h"
#include "tidelock/replica/reader.h"

namespace tidelock::cli {
namespace {

using Json = nlohmann::ordered_json;

// A path, or a URL of one: duckdb:shop.duckdb.
base::Path path_of(const std::string& text) {
  for (const auto* scheme : {"duckdb:", "sqlite:"}) {
    if (text.starts_with(scheme)) return base::Url::parse(text).path;
  }
  return text;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

Json manifest_json(const replica::Manifest& manifest) {
  return {{"epoch", manifest.version.epoch.to_string()},
          {"sequence", manifest.version.sequence},
          {"engine", manifest.engine},
          {"size_bytes", manifest.size_bytes},
          {"master", manifest.master.string()},
          {"position", manifest.position},
          {"left_out_bytes", manifest.left_out_bytes},
          {"data_time", base::format_wall_time(manifest.data_time)},
          {"publish_time", base::format_wall_time(manifest.publish_time)},
          {"token", manifest.token.value},
          {"host", manifest.host},
          {"pid", manifest.pid}};
}

std::string level_name(replica::Health::Level level) {
  return level == replica::Health::Level::ok ? "ok" : level == replica::Health::Level::warning ? "warning" : "critical";
}

Json health_json(const replica::Health& health, const ReplicaStatus& options) {
  Json json{{"status", level_name(health.level())}, {"folder", options.folder}};
  json["version"] = health.manifest ? manifest_json(*health.manifest) : Json(nullptr);
  json["age_s"] = health.manifest ? Json(std::chrono::duration<double>(health.age).count()) : Json(nullptr);
  json["behind"] = health.behind ? Json(*health.behind) : Json(nullptr);
  auto problems = Json::array();
  for (const auto& problem : health.problems) {
    problems.push_back({{"level", level_name(problem.level)}, {"what", problem.what}});
  }
  json["problems"] = std::move(problems);
  return json;
}

// REPLICA OK - version 42, … | age=3.1s;60 size=12300000B
std::string health_line(const replica::Health& health, const ReplicaStatus& options) {
  std::string level = level_name(health.level());
  for (auto& letter : level) letter = static_cast<char>(letter - 'a' + 'A');
  std::string line = "REPLICA " + level + " - ";
  for (const auto& problem : health.problems) line += problem.what + ", ";
  if (!health.manifest) return line.substr(0, line.size() - 2) + "\n";
  const auto& manifest = *health.manifest;
  line += fmt::format("version {}, {}, data {} old{}", manifest.version.sequence, size_text(manifest.size_bytes),
                      rough(health.age), health.behind == false ? ", nothing behind" : "");
  const auto seconds = [](base::Duration time) { return std::chrono::duration<double>(time).count(); };
  line += fmt::format(" | age={:.1f}s", seconds(health.age));
  if (options.max_age) line += fmt::format(";{:g}", seconds(*options.max_age));
  return line + fmt::format(" size={}B\n", manifest.size_bytes);
}

Outcome publish(const ReplicaPublish& options, Outside outside) {
  const auto arbiter = open_arbiter(outside, options.on, {.make_folder = true});
  replica::Publisher publisher(
      outside.runtime, outside.files, *arbiter,
      {.master = path_of(options.master), .folder = options.to, .keep = options.keep, .patience = options.wait});
  const auto manifest = publisher.publish();
  if (options.json) {
    outside.out << json_text(manifest_json(manifest), kIndented) + "\n";
    return {};
  }
  outside.out << fmt::format("published version {} in {}: {} of {}\n", manifest.version.sequence, options.to,
                             size_text(manifest.size_bytes), manifest.engine);
  if (manifest.left_out_bytes > 0) {
    outside.out << fmt::format(
        "left out: up to {} that the master's owner has committed since its last checkpoint; its next one brings them "
        "into the file\n",
        size_text(manifest.left_out_bytes));
  }
  return {};
}

Outcome query(const ReplicaQuery& options, Outside outside) {
  replica::Reader reader(outside.runtime, outside.files, options.folder,
                         {.database = {.max_connections = 1}, .follow = false});
  auto reading = reader.read();
  auto rows = reading.connection.query(options.sql);
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < rows.column_count(); ++i) columns.emplace_back(rows.column_name(i));
  auto json_rows = Json::array();
  std::vector<std::vector<std::string>> text_rows(1);
  for (const auto& name : columns) text_rows.front().push_back(table_cell(std::string_view(name)));
  while (rows.next()) {
    auto json_row = Json::array();
    std::vector<std::string> text_row;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto value = rows.row()[i];
      if (options.json) json_row.push_back(json_cell(value));
      if (!options.json) text_row.push_back(table_cell(value));
    }
    if (options.json) json_rows.push_back(std::move(json_row));
    if (!options.json) text_rows.push_back(std::move(text_row));
  }
  if (options.json) {
    outside.out << json_text({{"version", manifest_json(*reading.manifest)},
                              {"columns", columns},
                              {"rows", std::move(json_rows)}},
                             kIndented) +
                       "\n";
  } else if (!columns.empty()) {
    outside.out << table(text_rows);
  }
  return {};
}

}  // namespace

Outcome publish_replica(const ReplicaPublish& options, Outside outside) {
  return advised(replica_advice, [&] { return publish(options, outside); });
}

Outcome show_replica(const ReplicaStatus& options, Outside outside) {
  replica::HealthQuestion question{
      .folder = options.folder, .master = {}, .max_age = options.max_age, .blocks = options.blocks};
  if (options.master) question.master = path_of(*options.master);
  const auto health = replica::look_at_health(outside.runtime, outside.files, question);
  outside.out << (options.json ? json_text(health_json(health, options), kIndented) + "\n"
                               : health_line(health, options));
  return {static_cast<int>(health.level()), std::nullopt};
}

Outcome query_replica(const ReplicaQuery& options, Outside outside) {
  return advised(replica_advice, [&] { return query(options, outside); });
}

}  // namespace tidelock::cli
