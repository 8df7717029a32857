#include "tidelock/base/log_sinks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "tidelock/base/ascii.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/errno_error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

constexpr std::size_t kValueLimit = 16'384;  // Bytes of one value in a line of text.

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // clang 16 does not deduce it by itself.

// A secret stays one when it is logged as a plain text, as long as its name tells.
std::string_view shown(std::string_view name, std::string_view text) { return names_a_secret(name) ? kMasked : text; }

std::string value_text(const LogField& field) {
  return std::visit(Overloaded{[&](std::string_view text) { return std::string(shown(field.name, text)); },
                               [](Duration duration) { return format_duration(duration); },
                               [](bool value) { return std::string(value ? "true" : "false"); },
                               [](auto number) { return fmt::format("{}", number); }},
                    field.value.get());
}

void append_pair(std::string& line, std::string_view name, std::string_view value) {
  const bool plain = !value.empty() && !find_invalid_utf8(value) && value.size() <= kValueLimit &&
                     std::none_of(value.begin(), value.end(), [](char c) {
                       return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F;
                     });
  // C1 control characters are beyond ASCII and only quoted() knows them.
  const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  if (!line.empty()) line += ' ';
  line += name;
  line += '=';
  line += plain && ascii ? std::string(value) : base::quoted(value, kValueLimit);
}

// The name of a field as a word: nothing in it can be taken for the end of the name.
std::string field_word(std::string_view name) {
  std::string word(name);
  for (auto& c : word) {
    const bool fine = ascii::is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
    if (!fine) c = '_';
  }
  return word.empty() ? "_" : word;
}

}  // namespace

LineWriter stderr_writer() {
  return [](std::string_view line) {
    if (std::fwrite(line.data(), 1, line.size(), stderr) != line.size()) {
      throw errno_error(errno, {}, "the log cannot be written to standard error");
    }
  };
}

void TextLog::write(const LogRecord& record) {
  std::string line;
  append_pair(line, "time", format_wall_time(record.time));
  append_pair(line, "level", name(record.level));
  append_pair(line, "msg", record.message);
  for (const auto& field : record.fields) append_pair(line, field_word(field.name), value_text(field));
  line += '\n';
  writer_(line);
}

void JsonLog::write(const LogRecord& record) {
  nlohmann::ordered_json object{
      {"time", format_wall_time(record.time)}, {"level", name(record.level)}, {"message", record.message}};
  for (const auto& field : record.fields) {
    std::string key(field.name);
    if (key == "time" || key == "level" || key == "message") key += '_';
    std::visit(Overloaded{[&](std::string_view text) { object[key] = shown(field.name, text); },
                          [&](Duration duration) { object[key] = format_duration(duration); },
                          [&](auto value) { object[key] = value; }},
               field.value.get());
  }
  writer_(object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
}

void MemoryLog::write(const LogRecord& record) {
  Entry entry{record.time, record.level, std::string(record.message), {}};
  for (const auto& field : record.fields) entry.fields[std::string(field.name)] = value_text(field);
  const LocalGuard guard(mutex_);
  entries_.push_back(std::move(entry));
  if (entries_.size() > limit_) entries_.pop_front();
}

std::vector<MemoryLog::Entry> MemoryLog::entries() const {
  const LocalGuard guard(mutex_);
  return {entries_.begin(), entries_.end()};
}

}  // namespace tidelock::base
