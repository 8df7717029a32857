#include "tidelock/pipeline/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/batch/condition.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::pipeline {
namespace {

constexpr std::uint64_t kFileBytesMax = std::uint64_t{16} << 20;

// Kinds whose sections have names: [store.NAME].
constexpr std::string_view kNamedKinds[] = {"store", "replica", "group", "record", "job", "service"};

template <typename T>
const T* by_name(const std::vector<T>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const T& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const Store* Pipeline::store(std::string_view name) const { return by_name(stores, name); }
const Replica* Pipeline::replica(std::string_view name) const { return by_name(replicas, name); }
const batch::Job* Pipeline::job(std::string_view name) const { return by_name(jobs, name); }

Pipeline load(base::Files& files, const base::Path& file, const LoadOptions& options) {
  const auto path = (options.from / file).lexically_normal();
  return Loader(files, file.string(), path.parent_path(), options).read(files.read(path, kFileBytesMax));
}

Loader::Loader(base::Files& files, std::string file, base::Path folder, const LoadOptions& options)
    : files_(files),
      folder_(std::move(folder)),
      options_(options),
      mistakes_(std::move(file)),
      places_(folder_, "work") {}

Pipeline Loader::read(std::string_view text) {
  root_ = parse_toml(text, mistakes_);
  mistakes_.throw_if_any();
  check_kinds();
  collect_names();
  read_settings();
  read_spy();
  read_stores();
  read_replicas();
  read_groups();
  read_records();
  read_jobs();
  read_services();
  check_cycles();
  mistakes_.throw_if_any();
  return std::move(pipeline_);
}

void Loader::check_kinds() {
  const auto kinds = section_kinds();
  for (const auto& entry : root_) {
    if (std::find(kinds.begin(), kinds.end(), entry.key) != kinds.end()) continue;
    const auto nearest = base::nearest_name(entry.key, kinds);
    mistakes_.add(entry.line, entry.key, entry.value.table() != nullptr ? "unknown kind of section" : "unknown key",
                  nearest ? fmt::format("did you mean [{}{}]?", *nearest,
                                        *nearest == "pipeline" || *nearest == "spy" ? "" : ".NAME")
                          : fmt::format("there are {}", base::listed(kinds)));
  }
}

void Loader::collect_names() {
  for (const auto kind : kNamedKinds) {
    auto& names = names_[std::string(kind)];
    for (const auto& each : named(kind)) names.push_back(each.entry->key);
  }
}

std::vector<Loader::Named> Loader::named(std::string_view kind) {
  std::vector<Named> all;
  const auto* entry = find(root_, kind);
  if (entry == nullptr) return all;
  const auto* table = entry->value.table();
  if (table == nullptr) {
    mistakes_.add(entry->line, entry->key, fmt::format("{} instead of sections", entry->value.kind()),
                  fmt::format("[{}.NAME]", kind));
    return all;
  }
  for (const auto& each : *table) {
    const auto path = fmt::format("{}.{}", kind, each.key);
    if (each.value.table() == nullptr) {
      mistakes_.add(each.line, path, fmt::format("{} instead of a section", each.value.kind()),
                    fmt::format("[{}.NAME], and the key below it", kind));
    } else if (!is_name(each.key)) {
      mistakes_.add(each.line, path, base::quoted(each.key) + " is no name",
                    "letters, digits, _ and -, at most 64 of them");
    } else {
      all.push_back({&each, each.value.table()});
    }
  }
  return all;
}

Section Loader::section(std::string_view kind, const Named& named, std::string_view passed_over) {
  return {fmt::format("{}.NAME", kind),
          fmt::format("{}.{}", kind, named.entry->key),
          named.entry->line,
          *named.table,
          mistakes_,
          passed_over};
}

void Loader::read_settings() {
  static const TomlTable kNothing;
  const auto* entry = find(root_, "pipeline");
  const auto* table = entry != nullptr ? entry->value.table() : &kNothing;
  if (table == nullptr) {
    mistakes_.add(entry->line, "pipeline", fmt::format("{} instead of a section", entry->value.kind()), "[pipeline]");
    table = &kNothing;
  }
  const Section section("pipeline", "pipeline", entry != nullptr ? entry->line : 1, *table, mistakes_);
  auto& settings = pipeline_.settings;
  settings.name = section.text("name");
  settings.timezone = section.text("timezone");
  try {
    batch::Schedule::cron("0 0 * * *", settings.timezone);
  } catch (const Error& error) {
    section.mistake("timezone", error.message(), "an IANA name such as \"America/New_York\"");
    settings.timezone = "UTC";
  }
  if (const auto word = Places::unknown_in_braces(section.text("work"));
      !word.empty() || section.text("work") == "{work}") {
    section.mistake("work", "cannot be made of braces", "a folder, such as \"work\"");
  }
  places_ = options_.work ? Places(folder_, options_.from / *options_.work) : Places(folder_, section.text("work"));
  settings.folder = places_.folder();
  settings.work = places_.work();
  settings.keep_runs = section.duration("keep_runs");
  settings.state = read_url(section, "state");
  if (settings.state.empty() || !check_scheme(section, "state", settings.state)) return;
  const auto engine = sql::engine_of(settings.state.substr(0, settings.state.find(':')));
  if (engine == "duckdb") {
    section.mistake("state", "the state is kept in SQLite, PostgreSQL or MariaDB", "sqlite:{work}/state.db");
  } else if (engine == "sqlite" && Places::file_of(settings.state).empty()) {
    section.mistake("state", "the state is kept where other processes see it", "sqlite:{work}/state.db");
  }
}

void Loader::read_stores() {
  for (const auto& each : named("store")) {
    const auto in = section("store", each);
    Store store{each.entry->key, read_url(in, "url"), {}, in.flag("guarded")};
    if (!store.url.empty() && !check_scheme(in, "url", store.url)) store.url.clear();
    if (!store.url.empty()) {
      store.file = Places::file_of(store.url);
      read_lexis(in, store);
    }
    for (const auto& other : pipeline_.stores) {
      if (store.file.empty() || store.file != other.file) continue;
      in.mistake("url", fmt::format("is the file of store {} too", other.name), "one store a file");
    }
    pipeline_.stores.push_back(std::move(store));
  }
}

// How its SQL files are to be read.
void Loader::read_lexis(const Section& section, const Store& store) {
  try {
    lexes_[store.name] = sql::lexis_of(base::Url::parse(store.url));
  } catch (const Error& error) {
    section.mistake("url", error.message(), "see docs/engines");
  }
}

bool Loader::check_scheme(const Section& section, std::string_view key, std::string_view url) {
  std::vector<std::string> known;
  for (const auto& engine : sql::engines()) known.push_back(engine.scheme);
  const auto scheme = url.substr(0, url.find(':'));
  if (std::ranges::find(known, sql::engine_of(scheme)) != known.end()) return true;
  const auto nearest = base::nearest_name(scheme, known);
  section.mistake(
      key, base::quoted(scheme) + " is no known kind of database",
      nearest ? fmt::format("did you mean {}:?", *nearest) : fmt::format("there are {}", base::listed(known)));
  return false;
}

void Loader::read_replicas() {
  for (const auto& each : named("replica")) {
    const auto in = section("replica", each);
    check_reference(in, "store");
    check_path(in, "to");
    const Replica replica{each.entry->key, in.text("store"), places_.path(in.text("to")),
                          static_cast<std::size_t>(in.integer("keep"))};
    if (in.has("to")) check_targets(in, replica);
    pipeline_.replicas.push_back(replica);
  }
}

// A version must never replace what it is a copy of.
void Loader::check_targets(const Section& section, const Replica& replica) {
  for (const auto& store : pipeline_.stores) {
    if (store.file.empty() || !Places::is_below(store.file, replica.to)) continue;
    section.mistake("to", fmt::format("store {} lies in this folder", store.name), "a folder of its own");
  }
  const auto state = Places::file_of(pipeline_.settings.state.empty() ? "memory:" : pipeline_.settings.state);
  if (!state.empty() && Places::is_below(state, replica.to)) {
    section.mistake("to", "the state lies in this folder", "a folder of its own");
  }
  for (const auto& other : pipeline_.replicas) {
    if (other.to == replica.to) {
      section.mistake("to", fmt::format("is the folder of replica {} too", other.name), "a folder of its own");
    }
  }
  const auto* store = pipeline_.store(replica.store);
  if (store != nullptr && store->file.empty() && !store->url.empty()) {
    section.mistake("store", fmt::format("{} is no file", store->name), "a store that is a DuckDB or SQLite file");
  }
}

void Loader::read_groups() {
  for (const auto& each : named("group")) {
    const auto in = section("group", each);
    pipeline_.groups.push_back({each.entry->key, static_cast<std::uint32_t>(in.integer("slots"))});
  }
}

void Loader::read_records() {
  const auto mistakes_before = mistakes_.count();
  for (const auto& each : named("record")) {
    const auto in = section("record", each);
    batch::Record record{each.entry->key, {}, in.texts("check")};
    for (const auto& text : in.texts("fields")) {
      try {
        auto field = batch::Field::parse(text);
        if (by_name(record.fields, field.name) != nullptr) {
          in.mistake("fields", fmt::format("{} is there twice", base::quoted(field.name)), "name each column once");
        }
        record.fields.push_back(std::move(field));
      } catch (const Error& error) {
        in.mistake("fields", error.message(), R"(a name and a type, as in "close decimal?")");
      }
    }
    const bool fields_are_right = mistakes_.count() == mistakes_before;
    for (const auto& check : record.checks) {
      if (!fields_are_right) break;
      try {
        batch::Condition::parse(check, record.fields);
      } catch (const Error& error) {
        in.mistake("check", error.message(), R"(a condition on the fields, as in "close > 0")");
      }
    }
    pipeline_.records.push_back(std::move(record));
  }
  records_are_right_ = mistakes_.count() == mistakes_before;
}

void Loader::read_services() {
  using enum Service::Restart;
  for (const auto& each : named("service")) {
    const auto in = section("service", each);
    Service service;
    service.name = each.entry->key;
    service.argv = read_program(in, {files_, places_, pipeline_.records, options_.program_folders});
    for (auto& [name, value] : in.variables("env")) service.env[name] = places_.expand(value);
    service.folder = places_.folder();
    const auto restart = in.text("restart");
    service.restart = restart == "always" ? always : restart == "never" ? never : on_failure;
    service.backoff = in.backoff("backoff");
    service.stop_timeout = in.duration("stop_timeout");
    pipeline_.services.push_back(std::move(service));
  }
}

void Loader::check_reference(const Section& section, std::string_view key) {
  if (!section.has(key)) return;
  const auto name = section.text(key);
  const auto kind = section.refers_to(key);
  const auto& names = names_[kind];
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  const auto nearest = base::nearest_name(name, names);
  section.mistake(key, fmt::format("there is no [{}.{}]", kind, name),
                  nearest         ? fmt::format("did you mean {}?", base::quoted(*nearest))
                  : names.empty() ? fmt::format("write a section [{}.{}]", kind, name)
                                  : fmt::format("there are {}", base::listed(names)));
}

void Loader::check_path(const Section& section, std::string_view key) {
  if (const auto word = Places::unknown_in_braces(section.text(key)); !word.empty()) {
    section.mistake(key, word + " stands for nothing", "{work} is all that is replaced");
  }
}

std::string Loader::read_url(const Section& section, std::string_view key) {
  const auto text = section.text(key);
  if (text.empty()) return {};
  check_path(section, key);
  try {
    return places_.url(text);
  } catch (const Error& error) {
    section.mistake(key, error.message(), "as in sqlite:{work}/state.db");
    return {};
  }
}

}  // namespace tidelock::pipeline
