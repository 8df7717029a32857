#include "tidelock/pipeline/steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/batch/script.h"

namespace tidelock::pipeline {
namespace {

struct KindKey {
  StepKind kind;
  std::string_view key;
};
constexpr KindKey kKinds[] = {{kCsv, "csv"},         {kQuery, "query"},     {kSql, "sql"},
                              {kPublish, "publish"}, {kCommand, "command"}, {kTrigger, "trigger"}};

struct WriteKey {
  batch::Write::Kind kind;
  std::string_view key;
};
constexpr WriteKey kWrites[] = {{batch::Write::Kind::insert, "insert"},
                                {batch::Write::Kind::upsert, "upsert"},
                                {batch::Write::Kind::update, "update"}};

constexpr std::uint64_t kSqlBytesMax = std::uint64_t{16} << 20;

std::string_view key_of(unsigned kind) {
  return std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& each) { return each.kind == kind; })->key;
}

// The one thing that it says to do.
std::optional<StepKind> kind_of(const Section& section) {
  std::optional<StepKind> kind;
  for (const auto& [each, key] : kKinds) {
    if (!section.written(key)) continue;
    if (kind) {
      section.mistake(key, fmt::format("stands beside {}", key_of(*kind)), "a step does one thing: make it two steps");
      return std::nullopt;
    }
    kind = each;
  }
  if (!kind) {
    section.mistake({}, "the step says nothing to do", "one of csv, query, sql, publish, command and trigger");
  }
  return kind;
}

void refuse_foreign_keys(const Section& section, StepKind kind) {
  for (const auto* key : keys_of("job.NAME.step")) {
    if ((key->steps & kind) != 0 || !section.written(key->name)) continue;
    section.mistake(key->name, fmt::format("does not belong to a {} step", key_of(kind)),
                    fmt::format("remove it{}", key->steps == kChunk ? "; it is for csv and query steps" : ""));
  }
}

base::Path existing_file(const Section& section, std::string_view key, const StepContext& context) {
  const auto written = section.text(key);
  const auto path = context.places.path(written);
  if (context.places.below_work(path)) return path;  // Made by an earlier step, perhaps.
  const auto info = context.files.info(path);
  if (!info) {
    section.mistake(key, "there is no file " + base::quoted(path.string()),
                    "the path is counted from the folder of this file");
  } else if (info->kind == base::FileInfo::Kind::folder) {
    section.mistake(key, base::quoted(written) + " is a folder", "name a file");
  }
  return path;
}

// What can be told without the database.
void check_statements(const Section& section, std::string_view key, std::string_view sql, const sql::Lexis& lexis) {
  std::size_t count = 0;
  try {
    count = batch::split_script(section.text(key), sql, lexis, batch::Moment{}).size();
  } catch (const Error& error) {
    section.mistake(key, error.message(), "$now, $today and $yesterday are known, and what begins has to end");
    return;
  }
  if (count == 0) section.mistake(key, section.text(key) + " has no statement", "write the SQL into it");
  if (key == "query" && count > 1) {
    section.mistake(key, fmt::format("{} has {} statements", section.text(key), count),
                    "one query; others belong into a sql step");
  }
}

std::string read_sql(const Section& section, std::string_view key, const StepContext& context) {
  const auto path = context.places.path(section.text(key));
  if (!section.has(key)) return {};
  const auto info = context.files.info(path);
  if (!info) {
    section.mistake(key, "there is no file " + base::quoted(path.string()),
                    "the path is counted from the folder of this file");
    return {};
  }
  try {
    auto sql = context.files.read(path, kSqlBytesMax);
    if (const auto at = base::find_invalid_utf8(sql)) {
      section.mistake(key, fmt::format("byte {} of {} is not UTF-8", *at + 1, base::quoted(path.string())),
                      "save it as UTF-8");
    } else if (context.lexis) {
      check_statements(section, key, sql, *context.lexis);
    }
    return sql;
  } catch (const Error& error) {
    section.mistake(key, error.message(), "make it a file that can be read");
    return {};
  }
}

sql::Rules read_rules(const Section& section) {
  sql::Rules rules;
  for (const auto& name : section.texts("allow")) {
    try {
      rules = rules | sql::rule_named(name);
    } catch (const Error& error) {
      section.mistake("allow", error.message(), "as in [\"truncate\"]");
    }
  }
  return rules;
}

batch::Write read_write(const Section& section) {
  batch::Write write;
  bool found = false;
  for (const auto& [kind, key] : kWrites) {
    if (!section.written(key)) continue;
    if (found) section.mistake(key, "is a second table to write to", "one of insert, upsert and update");
    found = true;
    write.kind = kind;
    write.table = section.text(key);
  }
  if (!found) section.mistake({}, "the step does not say where its rows go", "one of insert, upsert and update");
  write.key = section.texts("key");
  const bool needs_key = write.kind != batch::Write::Kind::insert;
  if (found && needs_key && !section.written("key")) {
    section.mistake({}, "key is missing", R"(key = ["id"], the columns that name a row)");
  }
  if (found && !needs_key && section.written("key")) {
    section.mistake("key", "does not belong to an insert", "remove it, or upsert");
  }
  return write;
}

batch::ChunkStep read_chunk(const Section& section, StepKind kind, const StepContext& context) {
  batch::ChunkStep step;
  if (kind == kCsv) {
    step.source = batch::CsvSource{existing_file(section, "csv", context)};
    if (!section.written("record")) {
      section.mistake({}, "record is missing", "record = \"NAME\" says what the columns are; see [record.NAME]");
    }
  } else {
    step.source = batch::QuerySource{section.text("query"), read_sql(section, "query", context)};
  }
  const auto record = std::find_if(context.records.begin(), context.records.end(),
                                   [&](const auto& each) { return each.name == section.text("record"); });
  if (record != context.records.end()) step.record = *record;
  step.only = section.text("only");
  step.write = read_write(section);
  step.chunk_rows = static_cast<std::size_t>(section.integer("chunk"));
  step.max_skips = static_cast<std::uint64_t>(section.integer("max_skips"));
  return step;
}

batch::CommandStep read_command(const Section& section, const StepContext& context) {
  batch::CommandStep step{.argv = read_program(section, context), .folder = context.places.folder()};
  for (const auto& [name, value] : section.variables("env")) step.env[name] = context.places.expand(value);
  if (section.has("timeout")) step.timeout = section.duration("timeout");
  return step;
}

}  // namespace

std::vector<std::string> read_program(const Section& section, const StepContext& context) {
  std::vector<std::string> argv;
  for (const auto& each : section.texts("command")) argv.push_back(context.places.expand(each));
  if (argv.empty()) return argv;
  auto& program = argv.front();
  if (program.find('/') != std::string::npos) {
    const auto path = context.places.path(program);
    if (!context.files.info(path) && !context.places.below_work(path)) {
      section.mistake("command", "there is no program " + base::quoted(path.string()),
                      "the path is counted from the folder of this file");
    }
    program = path.string();
    return argv;
  }
  if (context.program_folders.empty()) return argv;
  for (const auto& folder : context.program_folders) {
    const auto info = context.files.info(folder / program);
    if (!info || info->kind == base::FileInfo::Kind::folder) continue;
    program = (folder / program).string();
    return argv;
  }
  section.mistake("command", "there is no program " + base::quoted(program) + " beside tidelock or in PATH",
                  "build or install it, or give its path");
  return argv;
}

std::optional<batch::Step> read_step(const Section& section, const StepContext& context) {
  const auto kind = kind_of(section);
  if (!kind) return std::nullopt;
  refuse_foreign_keys(section, *kind);
  batch::Step step;
  step.name = section.text("name");
  if (section.has("max_attempts")) step.max_attempts = static_cast<int>(section.integer("max_attempts"));
  step.backoff = section.backoff("backoff");
  switch (*kind) {
    case kCsv:
    case kQuery:
      step.what = read_chunk(section, *kind, context);
      break;
    case kSql:
      step.what = batch::SqlStep{section.text("sql"), read_sql(section, "sql", context), read_rules(section)};
      break;
    case kPublish:
      step.what = batch::PublishStep{section.text("publish")};
      break;
    case kCommand:
      step.what = read_command(section, context);
      break;
    case kTrigger:
      step.what = batch::TriggerStep{section.text("trigger")};
      break;
  }
  return step;
}

}  // namespace tidelock::pipeline
