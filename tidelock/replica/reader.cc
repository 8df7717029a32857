#include "tidelock/replica/reader.h"

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <utility>
#include <vector>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/real_path.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/replica/folder.h"
#include "tidelock/replica/version_file.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::replica {
namespace {

using namespace std::chrono_literals;

// A watch may be deaf (a network folder): look at least so often.
constexpr base::Duration kLookAnyway = 5s;

}  // namespace

std::string_view name(ReaderState::Source source) {
  switch (source) {
    case ReaderState::Source::newest:
      return "newest";
    case ReaderState::Source::last_good:
      return "last_good";
    case ReaderState::Source::fallback:
      return "default";
    case ReaderState::Source::nothing:
      return "nothing";
  }
  return "?";
}

struct Reader::State {
  State(base::Runtime& runtime_of, base::Files& files_of, base::Path path, ReaderOptions options_of);

  // Takes up what current.db names now, unless it is served already, or was found bad a moment ago. Looks even where
  // another task has begun to: that one may have looked too early.
  void refresh() TIDELOCK_EXCLUDES(mutex);
  void look() TIDELOCK_EXCLUDES(mutex);
  void take_up(std::uint64_t sequence, const std::optional<Error>& trouble_with_newest) TIDELOCK_EXCLUDES(mutex);
  void take_up_earlier(std::uint64_t newest, const Error& trouble_with_newest) TIDELOCK_EXCLUDES(mutex);
  void set_trouble(std::optional<Error> error) TIDELOCK_EXCLUDES(mutex);
  bool is_served(std::uint64_t sequence) TIDELOCK_EXCLUDES(mutex);
  void check_order(const Manifest& manifest) TIDELOCK_EXCLUDES(mutex);
  std::shared_ptr<const VersionFile> served() TIDELOCK_EXCLUDES(mutex);
  std::optional<Version> served_version() TIDELOCK_EXCLUDES(mutex);
  // Empty when a version was taken up meanwhile. Error: what is wrong, without a default.
  std::shared_ptr<sql::Database> fallback() TIDELOCK_EXCLUDES(mutex);
  void follow(const std::stop_token& stop) TIDELOCK_EXCLUDES(mutex);
  std::unique_ptr<base::Watch> watch() const;

  base::Runtime& runtime;
  base::Files& files;
  const Folder folder;
  const ReaderOptions options;
  const base::Url parameters;
  const std::unique_ptr<base::Signal> changed;  // A look ended.

  base::LocalMutex mutex;
  bool looking TIDELOCK_GUARDED_BY(mutex) = false;
  std::shared_ptr<const VersionFile> current TIDELOCK_GUARDED_BY(mutex);
  std::shared_ptr<sql::Database> default_database TIDELOCK_GUARDED_BY(mutex);
  std::optional<Error> trouble TIDELOCK_GUARDED_BY(mutex);
  std::uint64_t changes TIDELOCK_GUARDED_BY(mutex) = 0;
  std::map<base::Uuid, std::uint64_t> highest TIDELOCK_GUARDED_BY(mutex);  // Sequence of each epoch.
  std::uint64_t bad_sequence TIDELOCK_GUARDED_BY(mutex) = 0;
  base::Instant bad_until TIDELOCK_GUARDED_BY(mutex){};
};

Reader::State::State(base::Runtime& runtime_of, base::Files& files_of, base::Path path, ReaderOptions options_of)
    : runtime(runtime_of),
      files(files_of),
      folder(files_of, std::move(path)),
      options(std::move(options_of)),
      parameters(base::Url::parse("duckdb:x" + (options.parameters.empty() ? "" : "?" + options.parameters))),
      changed(runtime.make_signal("a look at the replica")) {
  if (options.poll <= 0s) throw Error(Code::invalid_argument, "poll must be longer than nothing");
}

void Reader::State::refresh() {
  for (;;) {
    const auto seen = changed->count();
    {
      const base::LocalGuard guard(mutex);
      if (!looking) {
        looking = true;
        break;
      }
    }
    changed->wait(seen, base::Deadline::never());
  }
  struct End {
    State& state;
    ~End() {
      {
        const base::LocalGuard guard(state.mutex);
        state.looking = false;
      }
      state.changed->notify_all();
    }
  } const end{*this};
  look();
}

void Reader::State::look() {
  std::optional<std::uint64_t> sequence;
  try {
    sequence = folder.current_sequence();
    if (!sequence) {
      throw Error(Code::not_found,
                  base::quoted(folder.path().string()) + " holds no replica: nothing is published yet");
    }
    if (is_served(*sequence)) return set_trouble(std::nullopt);
    {
      const base::LocalGuard guard(mutex);
      if (bad_sequence == *sequence && runtime.now() < bad_until) return;
    }
    take_up(*sequence, std::nullopt);
  } catch (const Error& error) {
    {
      const base::LocalGuard guard(mutex);
      trouble = error;
      bad_sequence = sequence.value_or(0);
      bad_until = base::later(runtime.now(), options.poll);
    }
    if (sequence && served() == nullptr) take_up_earlier(*sequence, error);
  }
}

void Reader::State::take_up(std::uint64_t sequence, const std::optional<Error>& trouble_with_newest) {
  auto manifest = folder.read_manifest(sequence);
  check_order(manifest);
  const auto version = manifest.version;
  auto found = VersionFile::open(runtime, folder, std::move(manifest), parameters.params, options.database);
  std::shared_ptr<sql::Database> old_default;  // Closed outside of the mutex, as is the old version.
  const base::LocalGuard guard(mutex);
  highest[version.epoch] = version.sequence;
  std::swap(current, found);
  old_default = std::move(default_database);
  trouble = trouble_with_newest;
  if (!trouble) bad_sequence = 0;
  ++changes;
}

// Nothing is served and the newest is bad: the next best is what a reader that had come earlier would serve.
void Reader::State::take_up_earlier(std::uint64_t newest, const Error& trouble_with_newest) {
  std::vector<Folder::Entry> entries;
  try {
    entries = folder.entries();
  } catch (const Error&) {  // A folder that cannot be listed has no next best. What is told is the newest's trouble.
    return;
  }
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->kind != Folder::Entry::Kind::manifest || entry->sequence >= newest) continue;
    try {
      return take_up(entry->sequence, trouble_with_newest);
    } catch (const Error&) {  // The one before it, then. What is told is the newest's trouble.
    }
  }
}

bool Reader::State::is_served(std::uint64_t sequence) {
  const auto version = served();
  if (version == nullptr || version->manifest().version.sequence != sequence) return false;
  return version->is_still_there();
}

// Within an epoch the sequence only grows, whatever is done to the link.
void Reader::State::check_order(const Manifest& manifest) {
  const base::LocalGuard guard(mutex);
  const auto found = highest.find(manifest.version.epoch);
  if (found == highest.end() || manifest.version.sequence >= found->second) return;
  throw Error(Code::unavailable, fmt::format("current.db went back to version {}, after {} was read",
                                             manifest.version.sequence, found->second));
}

void Reader::State::set_trouble(std::optional<Error> error) {
  const base::LocalGuard guard(mutex);
  trouble = std::move(error);
}

std::shared_ptr<const VersionFile> Reader::State::served() {
  const base::LocalGuard guard(mutex);
  return current;
}

std::optional<Version> Reader::State::served_version() {
  const auto version = served();
  return version != nullptr ? std::optional(version->manifest().version) : std::nullopt;
}

std::shared_ptr<sql::Database> Reader::State::fallback() {
  {
    const base::LocalGuard guard(mutex);
    if (current != nullptr) return nullptr;  // And so there is no trouble to throw.
    if (default_database != nullptr) return default_database;
    // Other parameters than another Reader's are a mistake of the program's: the default would only hide it.
    if (options.default_url.empty() || trouble->code() == Code::misuse) throw *trouble;
  }
  auto options_of_default = options.database;
  options_of_default.read_only = true;
  std::shared_ptr<sql::Database> opened =
      sql::open(runtime, files, base::Url::parse(options.default_url), options_of_default);
  const base::LocalGuard guard(mutex);
  if (current == nullptr) default_database = opened;
  return opened;
}

std::unique_ptr<base::Watch> Reader::State::watch() const {
  try {
    return files.watch(base::real_path(files, folder.path()));
  } catch (const Error&) {  // Not there yet, or no watches left: then it is looked at now and then.
    return nullptr;
  }
}

void Reader::State::follow(const std::stop_token& stop) {
  std::unique_ptr<base::Watch> watching;
  while (!stop.stop_requested()) {
    if (watching == nullptr) watching = watch();
    refresh();
    bool well = false;
    {
      const base::LocalGuard guard(mutex);
      well = !trouble;
    }
    const auto next_look = runtime.in(well && watching != nullptr ? kLookAnyway : options.poll);
    try {
      if (watching != nullptr) {
        watching->wait(next_look, stop);
      } else {
        runtime.sleep_until(next_look.at(), stop);
      }
    } catch (const Error&) {  // The folder is gone.
      watching.reset();
    }
  }
}

Reader::Reader(base::Runtime& runtime, base::Files& files, base::Path folder, ReaderOptions options)
    : state_(std::make_unique<State>(runtime, files, std::move(folder), std::move(options))) {
  state_->refresh();
  if (!state_->options.follow) return;
  follower_ = runtime.spawn("follow the replica", [state = state_.get()](const auto& stop) { state->follow(stop); });
}

Reader::~Reader() = default;

Reader::Reading Reader::read() {
  state_->refresh();
  for (;;) {
    if (const auto version = state_->served()) {
      return {version->database().connect(), version->manifest().version, {version, &version->manifest()}};
    }
    if (const auto database = state_->fallback()) return {database->connect(), std::nullopt, nullptr};
  }
}

sql::Connection Reader::connect() { return read().connection; }

std::optional<Version> Reader::version() {
  state_->refresh();
  return state_->served_version();
}

ReaderState Reader::state() {
  using Source = ReaderState::Source;
  state_->refresh();
  const base::LocalGuard guard(state_->mutex);
  ReaderState result;
  result.trouble = state_->trouble;
  result.changes = state_->changes;
  if (state_->current != nullptr) {
    result.manifest = state_->current->manifest();
    result.source = result.trouble ? Source::last_good : Source::newest;
  } else {
    result.source = state_->options.default_url.empty() ? Source::nothing : Source::fallback;
  }
  return result;
}

bool Reader::wait_for_other(const std::optional<Version>& seen, base::Deadline deadline, const std::stop_token& stop) {
  auto& runtime = state_->runtime;
  for (;;) {
    const auto count = state_->changed->count();
    if (state_->served_version() != seen) return true;
    if (stop.stop_requested() || deadline.passed(runtime.now())) return false;
    if (state_->options.follow) {
      state_->changed->wait(count, deadline, stop);
    } else {
      runtime.sleep_until(std::min(deadline.at(), runtime.in(state_->options.poll).at()), stop);
      state_->refresh();
    }
  }
}

}  // namespace tidelock::replica
