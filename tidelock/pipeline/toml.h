// A TOML file as a plain tree in which every value knows its line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tidelock/pipeline/mistakes.h"

namespace tidelock::pipeline {

struct TomlValue;
struct TomlEntry;
using TomlArray = std::vector<TomlValue>;
using TomlTable = std::vector<TomlEntry>;  // In the order of the file.
struct TomlMoment {};                      // A date or time: no key takes one.

struct TomlValue {
  int line = 0;  // From 1.
  std::variant<std::string, std::int64_t, double, bool, TomlMoment, TomlArray, TomlTable> is;

  const TomlTable* table() const { return std::get_if<TomlTable>(&is); }
  const TomlArray* array() const { return std::get_if<TomlArray>(&is); }
  // "text", "a number", …: for messages.
  std::string_view kind() const;
};

struct TomlEntry {
  std::string key;
  int line = 0;
  TomlValue value;
};

// Null when there is no such key.
const TomlEntry* find(const TomlTable& table, std::string_view key);

// TOML 1.0. What is malformed is a mistake (the first one; then the tree is empty).
TomlTable parse_toml(std::string_view text, Mistakes& mistakes);

}  // namespace tidelock::pipeline
