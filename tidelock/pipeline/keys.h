// Every key that a pipeline file may have: its type, default, limits, and what it means.
//
// The loader reads by this table and docs/pipeline.md is compared with it, so neither can know a key that the other
// does not.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tidelock::pipeline {

enum class KeyType {
  text,
  name,       // Of something: letters, digits, _ and -, at most 64.
  choice,     // One of Key::choices.
  reference,  // The name of a section: a store, a group, …
  integer,
  flag,       // true or false
  duration,   // "250ms", "1m30s"
  backoff,    // "200ms..10s": the first wait, and the longest.
  url,        // Of a database.
  path,       // A file or folder, from the folder of the pipeline file.
  file,       // The same, and it must be there, unless it is below {work}.
  texts,      // A list of texts.
  program,    // A list of texts: a program and its arguments.
  variables,  // A table of texts: environment variables.
};

// Kinds of steps; a step is of the kind whose key it has.
enum StepKind : unsigned { kCsv = 1, kQuery = 2, kSql = 4, kPublish = 8, kCommand = 16, kTrigger = 32 };
inline constexpr unsigned kChunk = kCsv | kQuery;
inline constexpr unsigned kEveryStep = 63;

struct Key {
  std::string_view section;  // "pipeline", "store.NAME", "job.NAME.step", …
  std::string_view name;
  KeyType type;
  bool required = false;
  std::string_view fallback{};  // As it would be written, without quotes; empty: none.
  std::int64_t min = 0;         // integer; a duration in milliseconds.
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::string_view choices{};  // Separated by spaces; a reference: the kind of section that it names.
  unsigned steps = kEveryStep;
  std::string_view example{};  // As it is written behind `=`.
  std::string_view meaning{};  // For people, in Markdown.
};

// All of them, section by section.
std::span<const Key> keys();
// Of one section, in the order of the table.
std::vector<const Key*> keys_of(std::string_view section);
// Null when there is none.
const Key* find_key(std::string_view section, std::string_view name);
// "pipeline", "store", "replica", …: what may stand first in a file.
std::vector<std::string> section_kinds();
// The words of Key::choices.
std::vector<std::string> words(std::string_view text);

// What the type is called, for messages and the documentation: "whole number, 1 to 100".
std::string describe(const Key& key);
// The section's table as it stands in docs/pipeline.md.
std::string markdown(std::string_view section);

}  // namespace tidelock::pipeline
