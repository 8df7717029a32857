#include "tidelock/sql/backends/duckdb/settings.h"

#include <algorithm>
#include <string_view>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql::duckdb {
namespace {

constexpr std::string_view kMemory = ":memory:";

// "512MB", "1.5 GiB", "80%".
bool is_size(std::string_view text) {
  const auto number = text.find_first_not_of("0123456789.");
  if (number == 0 || number == text.npos) return false;
  const auto unit = base::ascii::lower(text.substr(text.find_first_not_of(' ', number)));
  constexpr std::string_view kUnits[] = {"b", "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib", "%"};
  return std::find(std::begin(kUnits), std::end(kUnits), unit) != std::end(kUnits);
}

void read_size(Settings& settings, base::UrlParams& params, const char* name) {
  auto text = params.text(name, "");
  if (text.empty()) return;
  if (!is_size(text)) {
    throw Error(Code::invalid_argument, std::string(name) + "=" + base::quoted(text) +
                                            " is no size: write a number and a unit, such as 512MB, 2GiB or 80%");
  }
  settings.options.emplace(name, std::move(text));
}

}  // namespace

std::string Settings::to_string() const {
  std::string text = read_only ? "mode=ro" : "mode=rw";
  for (const auto& [name, value] : options) text += ' ' + name + '=' + value;
  return text;
}

Settings read_settings(const base::Url& url, base::UrlParams& params, bool read_only) {
  if (!url.hosts.empty() || url.path.empty()) {
    throw Error(Code::invalid_argument, url.to_string() +
                                            " names no file: write duckdb:shop.duckdb, duckdb:/var/shop.duckdb "
                                            "or duckdb::memory:");
  }
  Settings settings;
  if (url.path != kMemory) settings.path = url.path;
  settings.read_only = read_only;
  if (settings.in_memory() && read_only) {
    throw Error(Code::invalid_argument, "a database in memory begins empty: opening it read-only makes no sense");
  }
  if (const auto threads = params.integer("threads", 0, 1, 1024); threads != 0) {
    settings.options.emplace("threads", std::to_string(threads));
  }
  read_size(settings, params, "memory_limit");
  read_size(settings, params, "checkpoint_threshold");
  read_size(settings, params, "max_temp_directory_size");
  if (auto folder = params.text("temp_directory", ""); !folder.empty()) {
    settings.options.emplace("temp_directory", std::move(folder));
  }
  if (!params.flag("preserve_insertion_order", true)) settings.options.emplace("preserve_insertion_order", "false");
  return settings;
}

}  // namespace tidelock::sql::duckdb
