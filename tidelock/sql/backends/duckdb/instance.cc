#include "tidelock/sql/backends/duckdb/instance.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/process_info.h"
#include "tidelock/base/real_path.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/duckdb/errors.h"

namespace tidelock::sql::duckdb {
namespace {

// Where a file is open, or being opened. Held by who opens it and by the instance.
struct Place {
  CacheHandle own;  // Where the other files' cache has another file by this name.
  duckdb_instance_cache cache;
};

// Empty when the path leads nowhere.
std::optional<base::FileInfo::Id> file_at(base::Files& files, const std::string& path) {
  const auto info = files.info(path);
  return info ? std::optional(info->id()) : std::nullopt;
}

// The open files of this process: which file, not what it is called, makes them the same. The engine's cache under it
// covers the moments that this list does not see: an instance that is still closing is waited for, one that another
// task is opening is shared; and a file that is open is not attached elsewhere.
class OpenFiles {
 public:
  explicit OpenFiles(const Api& api) : api_(api), cache_(api, api.create_instance_cache()) {}

  // What is open, or else what to open it by.
  struct Found {
    std::shared_ptr<Instance> instance;
    std::shared_ptr<Place> place;
  };

  // `file`: what `path` leads to. Where it leads nowhere yet, or any more, whoever has a file of that name open shares
  // it. Error: unavailable when it is another file than the one of that name that is open, and one of them is for
  // writing: their logs have one name. Of files that are only read both may be open, in caches of the engine's of which
  // each knows one of them by that name.
  Found find(const std::string& path, std::optional<base::FileInfo::Id> file, bool read_only)
      TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    std::erase_if(entries_, [](const Entry& entry) { return entry.place.expired(); });
    bool name_is_taken = false;
    for (const auto& entry : entries_) {
      const bool same_name = entry.path == path;
      const bool same_file = file && entry.file ? file == entry.file : same_name;
      auto place = same_file ? entry.place.lock() : nullptr;
      if (place != nullptr) return {entry.instance.lock(), std::move(place)};
      name_is_taken = name_is_taken || same_name;
      if (!same_name || same_file || (read_only && entry.read_only)) continue;
      throw Error(Code::unavailable, base::quoted(path) +
                                         " is another file now than the one of that name that is open in this process: "
                                         "it opens when that one is closed");
    }
    auto place = std::make_shared<Place>();
    if (name_is_taken) place->own = CacheHandle(api_, api_.create_instance_cache());
    place->cache = name_is_taken ? place->own.get() : cache_.get();
    entries_.push_back({path, file, read_only, place, {}});
    return {nullptr, place};
  }

  // The instance that all share from now on: `opened`, unless another task was quicker.
  std::shared_ptr<Instance> add(const std::shared_ptr<Place>& place, std::optional<base::FileInfo::Id> file,
                                std::shared_ptr<Instance> opened) TIDELOCK_EXCLUDES(mutex_) {
    const base::LocalGuard guard(mutex_);
    for (auto& entry : entries_) {
      if (entry.place.lock() != place) continue;
      if (auto quicker = entry.instance.lock()) return quicker;
      entry.file = file;
      entry.instance = opened;
    }
    return opened;
  }

 private:
  struct Entry {
    std::string path;
    std::optional<base::FileInfo::Id> file;  // Empty while it is being made.
    bool read_only;
    std::weak_ptr<Place> place;
    std::weak_ptr<Instance> instance;
  };

  const Api& api_;
  CacheHandle cache_;
  base::LocalMutex mutex_;
  std::vector<Entry> entries_ TIDELOCK_GUARDED_BY(mutex_);
};

OpenFiles& open_files() {
  static OpenFiles files(duckdb::api());
  return files;
}

Config make_config(const Api& api, const Settings& settings) {
  Config config(api);
  if (api.create_config(config.out()) != DuckDBSuccess) throw Error(Code::internal, "DuckDB makes no configuration");
  const auto set = [&](const std::string& name, const std::string& value) {
    if (api.set_config(config.get(), name.c_str(), value.c_str()) == DuckDBSuccess) return;
    throw Error(Code::invalid_argument, "DuckDB does not take " + name + "=" + base::quoted(value));
  };
  set("access_mode", settings.read_only ? "READ_ONLY" : "READ_WRITE");
  set("autoinstall_known_extensions", "false");  // Nothing is downloaded behind the program's back.
  for (const auto& [name, value] : settings.options) set(name, value);
  return config;
}

Error locked_error(const Fault& fault, const std::string& path) {
  auto error = to_error(fault);
  std::string message = base::quoted(path) + " is held by ";
  const int pid = lock_holder(fault);
  message += pid == 0 ? "another process" : base::process_in_words(pid);
  message +=
      ": one process at a time may write a DuckDB file, and nobody else may read it meanwhile; wait for it to end "
      "or read a replica";
  return Error(error.code(), std::move(message), *error.native(), path);
}

[[noreturn]] void throw_open_error(const char* text, const std::string& path, const Settings& settings) {
  const auto fault = fault_from_text(text);
  const auto error = to_error(fault);
  if (error.code() == Code::database_locked) throw locked_error(fault, path);
  std::string message = base::quoted(path) + " cannot be opened: " + error.message();
  if (error.code() == Code::misuse) message += "; asked for were " + settings.to_string();
  throw Error(error.code(), std::move(message), *error.native(), path);
}

void run(const Api& api, duckdb_connection connection, const char* sql) {
  ResultHandle result(api);
  if (api.query(connection, sql, result.out()) == DuckDBSuccess) return;
  throw to_error({api.result_error_type(&result.get()), api.result_error(&result.get())});
}

// In memory without a place.
std::shared_ptr<Instance> make_instance(base::Runtime& runtime, const Settings& settings, const std::string& path,
                                        std::shared_ptr<Place> place) {
  const auto& api = duckdb::api();
  const auto config = make_config(api, settings);
  EngineHandle engine(api);
  char* text = nullptr;
  const auto state = place == nullptr
                         ? api.open_ext(nullptr, engine.out(), config.get(), &text)
                         : api.get_or_create_from_cache(place->cache, path.c_str(), engine.out(), config.get(), &text);
  if (state != DuckDBSuccess) {
    const std::string copy = text != nullptr ? text : "";
    api.free(text);
    throw_open_error(copy.c_str(), path, settings);
  }
  auto instance = std::make_shared<Instance>(api, std::move(place), std::move(engine), settings,
                                             runtime.wall_now().time_since_epoch().count());
  // A timestamp is UTC wherever the machine stands, also where the engine converts one with a zone to one without.
  run(api, instance->connect().get(), "set global TimeZone = 'UTC'");
  return instance;
}

void check_file(base::Files& files, const std::string& path, const Settings& settings) {
  const auto info = files.info(path);
  if (!info && settings.read_only) {
    throw Error(Code::not_found, base::quoted(path) + " does not exist, so it cannot be opened read-only");
  }
  if (info && info->kind == base::FileInfo::Kind::folder) {
    throw Error(Code::invalid_argument, base::quoted(path) + " is a folder; give the path of a file");
  }
}

std::shared_ptr<Instance> use_open(std::shared_ptr<Instance> instance, const std::string& path,
                                   const Settings& settings) {
  if (instance->broken()) {
    throw Error(Code::unavailable, base::quoted(path) +
                                       " was shut down by the engine after an error: it opens again when "
                                       "its last connection is closed");
  }
  auto wanted = settings;
  wanted.path = instance->settings().path;  // As spelled by whoever opened it.
  if (instance->settings() == wanted) return instance;
  throw Error(Code::misuse, base::quoted(path) + " is open in this process with other settings (" +
                                instance->settings().to_string() + ", now asked for: " + settings.to_string() +
                                "): give the same ones, or use the Database that is open");
}

struct Parts {
  std::int64_t opened_us;
  std::uint64_t count;
  friend auto operator<=>(const Parts&, const Parts&) = default;
};

std::optional<Parts> parse(const Position& position) {
  Parts parts{};
  const char* const end = position.text.data() + position.text.size();
  const auto [point, error] = std::from_chars(position.text.data(), end, parts.opened_us);
  if (error != std::errc() || point == end || *point != '.') return std::nullopt;
  const auto [rest, count_error] = std::from_chars(point + 1, end, parts.count);
  if (count_error != std::errc() || rest != end) return std::nullopt;
  return parts;
}

}  // namespace

std::shared_ptr<Instance> Instance::open(base::Runtime& runtime, base::Files& files, const Settings& settings) {
  if (settings.in_memory()) return make_instance(runtime, settings, ":memory:", nullptr);
  for (;;) {
    const auto path = base::real_path(files, settings.path).string();
    const auto before = file_at(files, path);
    auto [instance, place] = open_files().find(path, before, settings.read_only);
    if (instance != nullptr) return use_open(std::move(instance), path, settings);
    check_file(files, path, settings);
    instance = make_instance(runtime, settings, path, place);
    const auto after = file_at(files, path);
    if (before && before != after) continue;  // Replaced meanwhile: nobody knows which of them was opened.
    return use_open(open_files().add(place, after, std::move(instance)), path, settings);
  }
}

Instance::Instance(const Api& api, std::shared_ptr<void> place, EngineHandle engine, Settings settings,
                   std::int64_t opened_us)
    : api_(api),
      settings_(std::move(settings)),
      opened_us_(opened_us),
      place_(std::move(place)),
      engine_(std::move(engine)) {}

ConnectionHandle Instance::connect() {
  ConnectionHandle connection(api_);
  if (api_.connect(engine_.get(), connection.out()) != DuckDBSuccess) {
    throw Error(Code::unavailable, "DuckDB makes no further connection");
  }
  return connection;
}

Position Instance::commit_in_order(const std::function<void()>& commit) {
  const base::LocalGuard guard(commit_mutex_);
  commit();
  return Position{std::to_string(opened_us_) + '.' + std::to_string(++commits_)};
}

std::partial_ordering compare_positions(const Position& a, const Position& b) {
  const auto left = parse(a);
  const auto right = parse(b);
  if (!left || !right) return std::partial_ordering::unordered;
  return *left <=> *right;
}

}  // namespace tidelock::sql::duckdb
