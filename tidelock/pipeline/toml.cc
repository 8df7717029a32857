#include "tidelock/pipeline/toml.h"

#include <toml++/toml.h>

#include <algorithm>

#include "tidelock/base/text.h"

namespace tidelock::pipeline {
namespace {

TomlTable convert(const toml::table& table);

TomlValue convert(const toml::node& node) {
  TomlValue value;
  value.line = static_cast<int>(node.source().begin.line);
  if (const auto* text = node.as_string()) {
    value.is = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.is = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.is = number->get();
  } else if (const auto* flag = node.as_boolean()) {
    value.is = flag->get();
  } else if (const auto* array = node.as_array()) {
    TomlArray all;
    for (const auto& each : *array) all.push_back(convert(each));
    value.is = std::move(all);
  } else if (const auto* table = node.as_table()) {
    value.is = convert(*table);
  } else {
    value.is = TomlMoment{};
  }
  return value;
}

TomlTable convert(const toml::table& table) {
  TomlTable entries;
  for (const auto& [key, node] : table) {
    entries.push_back({std::string(key.str()), static_cast<int>(key.source().begin.line), convert(node)});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  return entries;
}

// Where toml++ stops speaks of its own grammar; the line is what helps.
std::string plain(std::string_view description) {
  std::string text(description);
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (text.starts_with(kPrefix)) text = text.substr(kPrefix.size());
  return text;
}

}  // namespace

std::string_view TomlValue::kind() const {
  constexpr std::string_view kKinds[] = {"text",           "a whole number", "a fraction", "true or false",
                                         "a date or time", "a list",         "a table"};
  return kKinds[is.index()];
}

const TomlEntry* find(const TomlTable& table, std::string_view key) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const auto& entry) { return entry.key == key; });
  return found == table.end() ? nullptr : &*found;
}

TomlTable parse_toml(std::string_view text, Mistakes& mistakes) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (const auto at = base::find_invalid_utf8(text)) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(*at), '\n');
    mistakes.add(static_cast<int>(line), {}, "a byte here is not UTF-8", "save the file as UTF-8");
    return {};
  }
  try {
    return convert(toml::parse(text));
  } catch (const toml::parse_error& error) {
    mistakes.add(static_cast<int>(error.source().begin.line), {}, "not TOML, " + plain(error.description()),
                 "see https://toml.io");
    return {};
  }
}

}  // namespace tidelock::pipeline
