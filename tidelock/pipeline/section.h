// One section of a pipeline file, read by the table of keys.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/backoff.h"
#include "tidelock/base/time.h"
#include "tidelock/pipeline/keys.h"
#include "tidelock/pipeline/mistakes.h"
#include "tidelock/pipeline/toml.h"

namespace tidelock::pipeline {

// Says at once what is wrong with its keys: unknown, missing, of another type, out of range. What it then gives for
// such a key is the default or something empty: go on, and find the other mistakes. Asking for a key that is not in the
// table, or by another type, throws Error: internal.
class Section {
 public:
  // name: as in keys.h, "job.NAME.step". path: of this very section, "job.load.bars". passed_over: a key that is a
  // section of its own. Borrows the table and the mistakes.
  Section(std::string name, std::string path, int line, const TomlTable& table, Mistakes& mistakes,
          std::string_view passed_over = {});

  bool written(std::string_view key) const;  // In the file, usable or not.
  bool has(std::string_view key) const;      // In the file, and usable.
  std::string text(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  bool flag(std::string_view key) const;
  base::Duration duration(std::string_view key) const;
  base::BackoffOptions backoff(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::map<std::string, std::string> variables(std::string_view key) const;

  // More that is wrong with the key's value, or, without a key, with the section.
  void mistake(std::string_view key, std::string what, std::string right) const;
  // The kind of section that a reference names.
  std::string refers_to(std::string_view key) const;
  int line(std::string_view key) const;  // Of the section when it is not written.
  const std::string& path() const { return path_; }

 private:
  const Key& known(std::string_view key, std::initializer_list<KeyType> types) const;
  const TomlValue* value(std::string_view key) const;
  void check_key(const TomlEntry& entry);
  bool check_value(const Key& key, const TomlValue& value) const;

  std::string name_;
  std::string path_;
  int line_;
  const TomlTable& table_;
  Mistakes& mistakes_;
  std::vector<std::string_view> usable_;  // Views of the table of keys.
};

// Letters, digits, _ and -, at most 64.
bool is_name(std::string_view text);

// "200ms..10s". Error: invalid_argument.
base::BackoffOptions parse_backoff(std::string_view text);

}  // namespace tidelock::pipeline
