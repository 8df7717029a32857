#include "tidelock/pipeline/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"

namespace tidelock::pipeline {
namespace {

constexpr std::size_t kNameBytesMax = 64;

bool is_texts(const TomlValue& value) {
  const auto* array = value.array();
  return array != nullptr && std::all_of(array->begin(), array->end(),
                                         [](const auto& each) { return std::holds_alternative<std::string>(each.is); });
}

bool is_variables(const TomlValue& value) {
  const auto* table = value.table();
  return table != nullptr && std::all_of(table->begin(), table->end(), [](const auto& each) {
           return std::holds_alternative<std::string>(each.value.is);
         });
}

// The type in the file, not yet what it says.
bool is_written_right(KeyType type, const TomlValue& value) {
  switch (type) {
    case KeyType::integer:
      return std::holds_alternative<std::int64_t>(value.is);
    case KeyType::flag:
      return std::holds_alternative<bool>(value.is);
    case KeyType::texts:
    case KeyType::program:
      return is_texts(value);
    case KeyType::variables:
      return is_variables(value);
    case KeyType::text:
    case KeyType::name:
    case KeyType::choice:
    case KeyType::reference:
    case KeyType::duration:
    case KeyType::backoff:
    case KeyType::url:
    case KeyType::path:
    case KeyType::file:
      return std::holds_alternative<std::string>(value.is);
  }
  return false;
}

// What is wrong with what it says; empty when nothing is. A missing file and a missing section are found later.
std::string fault(const Key& key, const TomlValue& value) {
  const auto* text = std::get_if<std::string>(&value.is);
  if (text != nullptr && text->empty()) return "is empty";
  if (text != nullptr && text->find('\0') != std::string::npos) return "contains a NUL";
  try {
    switch (key.type) {
      case KeyType::name:
      case KeyType::reference:
        return is_name(*text) ? "" : base::quoted(*text) + " is no name";
      case KeyType::choice: {
        const auto choices = words(key.choices);
        return std::find(choices.begin(), choices.end(), *text) != choices.end() ? "" : base::quoted(*text);
      }
      case KeyType::integer: {
        const auto number = std::get<std::int64_t>(value.is);
        return number >= key.min && number <= key.max ? "" : fmt::format("{} is out of range", number);
      }
      case KeyType::duration: {
        const auto duration = base::parse_duration(*text);
        return duration >= std::chrono::milliseconds(key.min) && duration <= std::chrono::milliseconds(key.max)
                   ? ""
                   : base::quoted(*text) + " is out of range";
      }
      case KeyType::backoff:
        parse_backoff(*text);
        return "";
      case KeyType::url:
        base::Url::parse(*text);
        return "";
      case KeyType::texts:
      case KeyType::program: {
        const auto& array = *value.array();
        if (array.empty()) return "is empty";
        const bool has_empty_program = key.type == KeyType::program && std::get<std::string>(array.front().is).empty();
        return has_empty_program ? "names no program" : "";
      }
      case KeyType::text:
      case KeyType::flag:
      case KeyType::path:
      case KeyType::file:
      case KeyType::variables:
        return "";
    }
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return base::ascii::is_letter_or_digit(c) || c == '_' || c == '-';
  });
}

base::BackoffOptions parse_backoff(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) {
    throw Error(Code::invalid_argument, base::quoted(text) + " has no two ends");
  }
  base::BackoffOptions backoff;
  backoff.base = base::parse_duration(text.substr(0, dots));
  backoff.cap = base::parse_duration(text.substr(dots + 2));
  backoff.jitter = base::Jitter::equal;
  if (backoff.base > backoff.cap) throw Error(Code::invalid_argument, base::quoted(text) + " begins above its end");
  return backoff;
}

Section::Section(std::string name, std::string path, int line, const TomlTable& table, Mistakes& mistakes,
                 std::string_view passed_over)
    : name_(std::move(name)), path_(std::move(path)), line_(line), table_(table), mistakes_(mistakes) {
  for (const auto& entry : table_) {
    if (passed_over.empty() || entry.key != passed_over) check_key(entry);
  }
  for (const auto* key : keys_of(name_)) {
    if (key->required && find(table_, key->name) == nullptr) {
      mistake({}, fmt::format("{} is missing", key->name), fmt::format("{} = {}", key->name, key->example));
    }
  }
}

void Section::check_key(const TomlEntry& entry) {
  const auto* key = find_key(name_, entry.key);
  if (key == nullptr) {
    std::vector<std::string> names;
    for (const auto* each : keys_of(name_)) names.emplace_back(each->name);
    const auto nearest = base::nearest_name(entry.key, names);
    mistakes_.add(
        entry.line, path_ + "." + entry.key, "unknown key",
        nearest ? fmt::format("did you mean {}?", *nearest) : fmt::format("there are {}", base::listed(names)));
    return;
  }
  if (check_value(*key, entry.value)) usable_.push_back(key->name);
}

bool Section::check_value(const Key& key, const TomlValue& value) const {
  std::string what;
  if (!is_written_right(key.type, value)) {
    const bool of_other_things = key.type == KeyType::variables && value.table() != nullptr;
    const bool with_other_things =
        value.array() != nullptr && (key.type == KeyType::texts || key.type == KeyType::program);
    what = fmt::format("is {}{}", value.kind(), of_other_things || with_other_things ? " of other things" : "");
  } else {
    what = fault(key, value);
  }
  if (what.empty()) return true;
  mistakes_.add(value.line, fmt::format("{}.{}", path_, key.name), what,
                fmt::format("{}, as in {}", describe(key), key.example));
  return false;
}

const Key& Section::known(std::string_view key, std::initializer_list<KeyType> types) const {
  const auto* found = find_key(name_, key);
  if (found == nullptr || (types.size() > 0 && std::find(types.begin(), types.end(), found->type) == types.end())) {
    throw Error(Code::internal, fmt::format("the loader asks for {}.{}, which the table of keys has not", name_, key));
  }
  return *found;
}

const TomlValue* Section::value(std::string_view key) const { return has(key) ? &find(table_, key)->value : nullptr; }

bool Section::written(std::string_view key) const {
  known(key, {});
  return find(table_, key) != nullptr;
}

bool Section::has(std::string_view key) const {
  known(key, {});
  return std::find(usable_.begin(), usable_.end(), key) != usable_.end();
}

std::string Section::text(std::string_view key) const {
  using enum KeyType;
  const auto& about = known(key, {KeyType::text, name, choice, reference, url, path, file});
  const auto* found = value(key);
  return found != nullptr ? std::get<std::string>(found->is) : std::string(about.fallback);
}

std::int64_t Section::integer(std::string_view key) const {
  const auto& about = known(key, {KeyType::integer});
  const auto* found = value(key);
  if (found != nullptr) return std::get<std::int64_t>(found->is);
  return about.fallback.empty() ? 0 : std::stoll(std::string(about.fallback));
}

bool Section::flag(std::string_view key) const {
  const auto& about = known(key, {KeyType::flag});
  const auto* found = value(key);
  return found != nullptr ? std::get<bool>(found->is) : about.fallback == "true";
}

base::Duration Section::duration(std::string_view key) const {
  const auto& about = known(key, {KeyType::duration});
  const auto* found = value(key);
  if (found != nullptr) return base::parse_duration(std::get<std::string>(found->is));
  return about.fallback.empty() ? base::Duration{} : base::parse_duration(about.fallback);
}

base::BackoffOptions Section::backoff(std::string_view key) const {
  const auto& about = known(key, {KeyType::backoff});
  const auto* found = value(key);
  return parse_backoff(found != nullptr ? std::string_view(std::get<std::string>(found->is)) : about.fallback);
}

std::vector<std::string> Section::texts(std::string_view key) const {
  known(key, {KeyType::texts, KeyType::program});
  std::vector<std::string> all;
  if (const auto* found = value(key)) {
    for (const auto& each : *found->array()) all.push_back(std::get<std::string>(each.is));
  }
  return all;
}

std::map<std::string, std::string> Section::variables(std::string_view key) const {
  known(key, {KeyType::variables});
  std::map<std::string, std::string> all;
  if (const auto* found = value(key)) {
    for (const auto& each : *found->table()) all[each.key] = std::get<std::string>(each.value.is);
  }
  return all;
}

std::string Section::refers_to(std::string_view key) const {
  return std::string(known(key, {KeyType::reference}).choices);
}

void Section::mistake(std::string_view key, std::string what, std::string right) const {
  mistakes_.add(line(key), key.empty() ? path_ : fmt::format("{}.{}", path_, key), std::move(what), std::move(right));
}

int Section::line(std::string_view key) const {
  const auto* entry = key.empty() ? nullptr : find(table_, key);
  return entry != nullptr ? entry->value.line : line_;
}

}  // namespace tidelock::pipeline
