// The section [spy] of a pipeline file.
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/pipeline/loader.h"
#include "tidelock/sql/spy/p6spy_file.h"

namespace tidelock::pipeline {
namespace {

using sql::spy::Format;
using sql::spy::Layout;
using sql::spy::P6SpyFile;
using Appender = P6SpyFile::Appender;

// What P6Spy's own file says, or this section's defaults.
P6SpyFile begin_spy(const Section& in, base::Files& files, const Places& places, const std::string& zone) {
  P6SpyFile spy;
  spy.options.file.emplace();
  spy.options.format.zone = zone;
  if (!in.has("properties")) return spy;
  const auto path = places.path(in.text("properties"));
  try {
    auto read = sql::spy::load_p6spy(files, path);
    read.options.file->path = places.path(read.options.file->path.string());
    return read;
  } catch (const Error& error) {
    in.mistake("properties", error.message(), "a spy.properties as P6Spy reads it; docs/spy.md says what differs");
    return spy;
  }
}

void read_place(const Section& in, const Places& places, P6SpyFile& spy) {
  const auto to = in.text("to");
  if (in.has("to")) {
    spy.appender = to == "file" ? Appender::file : to == "stdout" ? Appender::standard_output : Appender::log;
    if (in.has("file") && spy.appender != Appender::file) {
      in.mistake("file", "is of no use with to = " + base::quoted(to), "write one of them");
    }
  } else if (in.has("file")) {
    spy.appender = Appender::file;
  }
  auto name = in.text("file");
  if (const auto at = name.find("{pid}"); at != name.npos) name.erase(at, 5);
  if (const auto word = Places::unknown_in_braces(name); !word.empty()) {
    in.mistake("file", word + " stands for nothing", "{work} and {pid} are all that is replaced");
  }
  auto& file = *spy.options.file;
  if (in.has("file") || file.path.empty()) file.path = places.path(in.text("file"));
  file.max_bytes = static_cast<std::uint64_t>(in.integer("max_megabytes")) << 20;
  file.files = static_cast<std::size_t>(in.integer("files"));
}

void read_format(const Section& in, sql::spy::FormatOptions& format) {
  if (in.has("format")) {
    const auto name = in.text("format");
    format.format = name == "single"   ? Format::single
                    : name == "multi"  ? Format::multi
                    : name == "custom" ? Format::custom
                                       : Format::json;
  }
  if (in.has("layout")) {
    const auto name = in.text("layout");
    format.layout = name == "line" ? Layout::line : name == "clauses" ? Layout::clauses : Layout::written;
  }
  const auto take = [&](std::string_view key, std::string& to) {
    if (!in.has(key)) return;
    auto before = std::exchange(to, in.text(key));
    try {
      sql::spy::Formatter{format};
    } catch (const Error& error) {
      in.mistake(key, error.message(), "docs/spy.md has the placeholders and the letters");
      to = std::move(before);
    }
  };
  take("custom", format.custom);
  take("date_format", format.date_format);
  if (in.has("custom") && format.format != Format::custom) {
    in.mistake("custom", "is of no use without format = \"custom\"", "write both");
  }
}

void read_filter(const Section& in, sql::spy::Options& options) {
  auto& filter = options.filter;
  const auto check = [&](std::string_view key, const sql::spy::FilterOptions& only) {
    try {
      sql::spy::Filter{only};
      return true;
    } catch (const Error& error) {
      in.mistake(key, error.message(), "a regular expression of RE2");
      return false;
    }
  };
  if (in.has("include") && check("include", {.include = in.texts("include")})) filter.include = in.texts("include");
  if (in.has("exclude") && check("exclude", {.exclude = in.texts("exclude")})) filter.exclude = in.texts("exclude");
  if (in.has("expression") && check("expression", {.expression = in.text("expression")})) {
    filter.expression = in.text("expression");
  }
  if (in.has("mask")) {
    options.secret_names = in.texts("mask");
    try {
      sql::spy::SecretNames{options.secret_names};
    } catch (const Error& error) {
      in.mistake("mask", error.message(), "names of columns, or regular expressions of RE2 for them");
    }
  }
  if (in.has("exclude_categories")) filter.exclude_categories.reset();
  for (const auto& name : in.texts("exclude_categories")) {
    if (const auto category = sql::spy::find_category(name)) {
      filter.exclude_categories.set(static_cast<std::size_t>(*category));
    } else {
      const auto names = sql::spy::category_names();
      in.mistake("exclude_categories", base::quoted(name) + " is no category", "there are " + base::listed(names));
    }
  }
  if (in.has("threshold")) filter.threshold = in.duration("threshold");
  if (in.has("still_running")) options.still_running = in.duration("still_running");
}

}  // namespace

void Loader::read_spy() {
  const auto* entry = find(root_, "spy");
  if (entry == nullptr) return;
  const auto* table = entry->value.table();
  if (table == nullptr) {
    mistakes_.add(entry->line, "spy", "is a section", "[spy], and the keys below it");
    return;
  }
  const Section in("spy", "spy", entry->line, *table, mistakes_);
  auto spy = begin_spy(in, files_, places_, pipeline_.settings.timezone);
  read_place(in, places_, spy);
  read_format(in, spy.options.format);
  read_filter(in, spy.options);
  pipeline_.spy = Spy{spy.with_sinks(nullptr), spy.notes};
}

}  // namespace tidelock::pipeline
