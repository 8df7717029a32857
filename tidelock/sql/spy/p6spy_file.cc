#include "tidelock/sql/spy/p6spy_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/spy/properties.h"

namespace tidelock::sql::spy {
namespace {

constexpr std::uint64_t kFileBytesMax = std::uint64_t{1} << 20;
constexpr std::int64_t kMostSeconds = 31'536'000;  // A year.

// Keys that P6Spy has and that mean nothing here, with why.
constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kMeaningless{{
    {"modulelist", "statements and outages are modules of one spy; outagedetection says whether the latter are on"},
    {"driverlist", "there are no JDBC drivers: a spy sees every statement of the databases it observes"},
    {"autoflush", "entries are written within 100 ms, and a statement never waits for them"},
    {"stacktrace", "job, run and step of each entry say where it comes from: %(job), %(run), %(step)"},
    {"stacktraceclass", "job, run and step of each entry say where it comes from: %(job), %(run), %(step)"},
    {"reloadproperties", "the file is read once; give the database another spy"},
    {"reloadpropertiesinterval", "the file is read once; give the database another spy"},
    {"jmx", "there is no JMX; metrics are for Prometheus"},
    {"jmxPrefix", "there is no JMX; metrics are for Prometheus"},
    {"realdatasource", "databases are opened by URL"},
    {"realdatasourceclass", "databases are opened by URL"},
    {"realdatasourceproperties", "databases are opened by URL, with parameters in it"},
    {"jndicontextfactory", "databases are opened by URL"},
    {"jndicontextproviderurl", "databases are opened by URL"},
    {"jndicontextcustom", "databases are opened by URL"},
    {"databaseDialectBinaryFormat", "bytes are written as the engine's own literals"},
    {"excludebinary", "bytes are written as literals, and cut when they are long"},
    {"useNanoTime", "durations are always measured in microseconds: %(micros)"},
    {"useprefix", "classes have no prefix here"},
    {"explainclass", "plans are not asked for"},
}};

std::vector<std::string> parts(const std::string& list) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    auto part = list.substr(at, end - at);
    const auto first = part.find_first_not_of(" \t");
    if (first != part.npos) all.push_back(part.substr(first, part.find_last_not_of(" \t") - first + 1));
    at = end + 1;
  }
  return all;
}

// What stands behind the last dot of a class name.
std::string_view class_name(std::string_view value) { return value.substr(value.rfind('.') + 1); }

class Reading {
 public:
  explicit Reading(std::string_view file_name) : file_name_(file_name) {
    auto& options = result_.options;
    options.file.emplace();
    options.file->path = "spy.log";
    options.format.format = Format::single;
    options.format.zone.clear();  // As Java has it: this machine's.
    for (const auto category :
         {LogCategory::info, LogCategory::debug, LogCategory::result, LogCategory::resultset, LogCategory::batch}) {
      options.filter.exclude_categories.set(static_cast<std::size_t>(category));
    }
  }

  P6SpyFile read(const std::vector<Property>& properties) {
    for (const auto& property : properties) {
      try {
        take(property);
      } catch (const Error& error) {
        throw Error(error.code(),
                    fmt::format("{}:{}: {}: {}", file_name_, property.line, property.key, error.message()));
      }
    }
    finish();
    return std::move(result_);
  }

 private:
  void take(const Property& property) {
    const auto& key = property.key;
    auto value = property.value;
    value.erase(value.find_last_not_of(" \t") + 1);
    auto& options = result_.options;
    if (key == "appender") {
      result_.appender = appender(value);
    } else if (key == "logfile") {
      if (value.empty()) throw Error(Code::invalid_argument, "names no file");
      options.file->path = value;
    } else if (key == "append") {
      options.file->append = boolean(value);
    } else if (key == "logMessageFormat") {
      options.format.format = format(value);
    } else if (key == "customLogMessageFormat") {
      options.format.custom = value;
      Formatter{{.custom = value}};  // Refuses what it cannot be.
    } else if (key == "dateformat") {
      options.format.date_format = pattern(value);
    } else if (key == "databaseDialectDateFormat") {
      options.format.date_literals = pattern(value);
    } else if (key == "databaseDialectTimestampFormat") {
      options.format.timestamp_literals = pattern(value);
    } else if (key == "databaseDialectBooleanFormat") {
      options.format.numeric_booleans = choice(value, {"boolean", "numeric"}) == 1;
    } else if (key == "filter") {
      filter_ = boolean(value);
    } else if (key == "include") {
      include_ = parts(value);
      Filter({.include = include_});
    } else if (key == "exclude") {
      exclude_ = parts(value);
      Filter({.exclude = exclude_});
    } else if (key == "sqlexpression") {
      expression_ = value;
      Filter({.expression = value});
    } else if (key == "excludecategories") {
      options.filter.exclude_categories = categories(value);
    } else if (key == "executionThreshold") {
      options.filter.threshold = std::chrono::milliseconds(value.empty() ? 0 : number(value, kMostSeconds * 1000));
    } else if (key == "outagedetection") {
      outages_ = boolean(value);
    } else if (key == "outagedetectioninterval") {
      interval_ = std::chrono::seconds(number(value, kMostSeconds));
      if (interval_ <= base::Duration::zero()) throw Error(Code::invalid_argument, "must be at least 1 second");
    } else {
      unknown(property);
    }
  }

  void finish() {
    auto& options = result_.options;
    if (filter_) {
      options.filter.include = std::move(include_);
      options.filter.exclude = std::move(exclude_);
      options.filter.expression = std::move(expression_);
    } else if (!include_.empty() || !exclude_.empty() || !expression_.empty()) {
      note(0, "include, exclude and sqlexpression", "are without effect until filter=true");
    }
    if (outages_) options.still_running = interval_;
  }

  void unknown(const Property& property) {
    const auto found = std::ranges::find(kMeaningless, property.key,
                                         [](const auto& known) -> std::string_view { return known.first; });
    if (found != kMeaningless.end())
      return note(property.line, property.key, fmt::format("means nothing here: {}", found->second));
    static const std::vector<std::string> kKnown{"appender",
                                                 "logfile",
                                                 "append",
                                                 "logMessageFormat",
                                                 "customLogMessageFormat",
                                                 "dateformat",
                                                 "databaseDialectDateFormat",
                                                 "databaseDialectTimestampFormat",
                                                 "databaseDialectBooleanFormat",
                                                 "filter",
                                                 "include",
                                                 "exclude",
                                                 "sqlexpression",
                                                 "excludecategories",
                                                 "executionThreshold",
                                                 "outagedetection",
                                                 "outagedetectioninterval"};
    const auto nearest = base::nearest_name(property.key, kKnown);
    note(property.line, property.key,
         nearest ? fmt::format("is not known: did you mean {}?", *nearest) : "is not known");
  }

  void note(int line, std::string_view key, const std::string& what) {
    result_.notes.push_back(line == 0 ? fmt::format("{}: {} {}", file_name_, key, what)
                                      : fmt::format("{}:{}: {} {}", file_name_, line, key, what));
  }

  static std::size_t choice(const std::string& value, std::vector<std::string> choices) {
    const auto found = std::ranges::find(choices, value);
    if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
    throw Error(Code::invalid_argument, fmt::format("{} is none of {}", base::quoted(value), base::listed(choices)));
  }

  static P6SpyFile::Appender appender(const std::string& value) {
    using enum P6SpyFile::Appender;
    static constexpr std::array kAppenders{file, standard_output, log};
    return kAppenders.at(choice(std::string(class_name(value)), {"FileLogger", "StdoutLogger", "Slf4JLogger"}));
  }

  static Format format(const std::string& value) {
    static constexpr std::array kFormats{Format::single, Format::multi, Format::custom};
    return kFormats.at(
        choice(std::string(class_name(value)), {"SingleLineFormat", "MultiLineFormat", "CustomLineFormat"}));
  }

  static bool boolean(std::string_view written) {
    const auto value = base::ascii::lower(written);
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0" || value.empty()) return false;
    throw Error(Code::invalid_argument, fmt::format("{} is neither true nor false", base::quoted(value)));
  }

  static std::int64_t number(const std::string& value, std::int64_t most) {
    std::int64_t number = 0;
    const auto* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error == std::errc() && stop == end && number >= 0 && number <= most) return number;
    throw Error(Code::invalid_argument, fmt::format("{} is no whole number of 0 to {}", base::quoted(value), most));
  }

  static std::string pattern(const std::string& value) {
    if (!value.empty()) DatePattern{value};  // Refuses what it cannot be.
    return value;
  }

  static Categories categories(const std::string& value) {
    Categories all;
    for (const auto& name : parts(value)) {
      const auto category = find_category(name);
      if (!category) {
        throw Error(Code::invalid_argument,
                    fmt::format("{} is no category: there are {}", base::quoted(name), base::listed(category_names())));
      }
      all.set(static_cast<std::size_t>(*category));
    }
    return all;
  }

  std::string file_name_;
  P6SpyFile result_;
  bool filter_ = false;
  bool outages_ = false;
  base::Duration interval_ = std::chrono::seconds(60);
  std::vector<std::string> include_, exclude_;
  std::string expression_;
};

}  // namespace

Options P6SpyFile::with_sinks(base::Log* log) const {
  auto with = options;
  if (appender == Appender::file) return with;
  with.file.reset();
  if (appender == Appender::standard_output) {
    with.sinks.push_back(std::make_shared<LineSink>("standard output", stdout_writer(), with.format));
  } else if (log != nullptr) {
    with.sinks.push_back(std::make_shared<LogSink>(*log));
  } else {
    with.sinks.push_back(std::make_shared<LogSink>(std::make_shared<base::TextLog>()));
  }
  return with;
}

P6SpyFile parse_p6spy(std::string_view text, std::string_view file_name) {
  std::vector<Property> properties;
  try {
    properties = parse_properties(text);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", file_name, error.message()));
  }
  return Reading(file_name).read(properties);
}

P6SpyFile load_p6spy(base::Files& files, const base::Path& path) {
  return parse_p6spy(files.read(path, kFileBytesMax), path.string());
}

}  // namespace tidelock::sql::spy
