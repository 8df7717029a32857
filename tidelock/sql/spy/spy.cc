#include "tidelock/sql/spy/spy.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/secret.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/spy/cut_text.h"
#include "tidelock/sql/spy/running.h"

namespace tidelock::sql::spy {
namespace {

// Of sqlite:/data/shop.db?mode=ro what its errors say.
std::string path_of(std::string_view database) {
  database.remove_prefix(database.find(':') + 1);
  return std::string(database.substr(0, database.find('?')));
}

constexpr std::size_t kTextsKept = 4096;        // Of each database. Then all are looked at anew.
constexpr std::size_t kKeptTextBytes = 65'536;  // A longer one is looked at each time.
constexpr base::Duration kRestIn = std::chrono::seconds(1);

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

// What is kept of one database.
struct Known {
  std::shared_ptr<const Place> place;
  std::unordered_map<std::string, std::shared_ptr<const StatementText>, TextHash, std::equal_to<>> texts{};
  std::shared_ptr<const StatementText> no_text{};  // Of commits and rollbacks.
  std::array<std::optional<base::Counter>, kCategories> counts{};
  std::optional<base::Histogram> seconds{};
};

LogCategory category_of(const StatementEvent& event) {
  if (event.error != nullptr) return LogCategory::error;
  switch (event.category) {
    case Category::statement:
    case Category::script:
      return LogCategory::statement;
    case Category::bulk:
      return LogCategory::batch;
    case Category::begin:
    case Category::savepoint:
      return LogCategory::info;
    case Category::commit:
      return LogCategory::commit;
    case Category::rollback:
      return LogCategory::rollback;
  }
  return LogCategory::statement;
}

// Cuts a long value off; returns how many bytes it takes.
std::size_t cut(Value& value, std::size_t limit) {
  if (auto* text = std::get_if<std::string>(&value)) return cut_text(*text, limit);
  if (auto* json = std::get_if<Json>(&value)) return cut_text(json->text, limit);
  if (auto* blob = std::get_if<Blob>(&value)) {
    if (blob->size() > limit) blob->resize(limit);
    return blob->size();
  }
  return 0;
}

// Gives a sink that others have too to the writer, which owns its sinks.
class Shared final : public Sink {
 public:
  explicit Shared(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}
  Untaken write(std::span<const RecordPtr> records) override { return sink_->write(records); }
  std::string name() const override { return sink_->name(); }
  void rest() noexcept override { sink_->rest(); }

 private:
  std::shared_ptr<Sink> sink_;
};

std::vector<std::unique_ptr<Sink>> sinks_of(base::Runtime& runtime, base::Files& files, const Options& options) {
  std::vector<std::unique_ptr<Sink>> sinks;
  if (options.file) {
    auto file = *options.file;
    auto path = file.path.string();
    if (path.empty()) throw Error(Code::invalid_argument, "the spy's file has no name");
    if (const auto at = path.find("{pid}"); at != path.npos) {
      path.replace(at, 5, std::to_string(runtime.identity().pid));
    }
    if (file.files < 1) throw Error(Code::invalid_argument, "a spy's log of 0 files: at least the current one stays");
    file.path = path;
    sinks.push_back(std::make_unique<FileSink>(runtime, files, file, options.format));
  }
  for (const auto& sink : options.sinks) sinks.push_back(std::make_unique<Shared>(sink));
  return sinks;
}

std::optional<base::Gauge> shown(base::Metrics* metrics) {
  if (metrics == nullptr) return std::nullopt;
  return metrics->gauge("tidelock_sql_spy_dropped", "Entries that the spies could not write.");
}

}  // namespace

class Spy::Inside {
 public:
  Inside(base::Runtime& runtime, base::Files& files, Options options);

  void start(const StatementEvent& event);
  void end(const StatementEvent& event);
  void hook_error(std::uint64_t transaction, const std::exception& error);
  void observed() TIDELOCK_EXCLUDES(mutex_);
  void removed() TIDELOCK_EXCLUDES(mutex_);
  std::vector<RecordPtr> recent() TIDELOCK_EXCLUDES(mutex_);
  Writer& writer() { return writer_; }

 private:
  // Null when it is not wanted. counted: as this category in the metrics.
  std::shared_ptr<const StatementText> text_of(const StatementEvent& event, std::optional<LogCategory> counted)
      TIDELOCK_EXCLUDES(mutex_);
  // Null when it was not seen before, or is too long to be kept.
  std::shared_ptr<const StatementText> known_text(const Known& known, const StatementEvent& event) const
      TIDELOCK_REQUIRES(mutex_);
  Known& known(const StatementEvent& event) TIDELOCK_REQUIRES(mutex_);
  void count(Known& known, LogCategory category, base::Duration elapsed) TIDELOCK_REQUIRES(mutex_);
  std::pair<std::shared_ptr<Record>, std::size_t> record_of(const StatementEvent& event,
                                                            std::shared_ptr<const StatementText> text) const;
  // What it says; the code alone where an engine's words in it may hold a value of a secret column.
  // `harmless`: pieces of its text that may name a secret, since they tell nothing that is not logged anyway.
  std::string words_of(const std::exception& error, std::initializer_list<std::string> harmless) const;
  void keep(RecordPtr record, std::size_t bytes) TIDELOCK_EXCLUDES(mutex_);
  void watch(const std::stop_token& stop);

  base::Runtime& runtime_;
  const Options options_;
  const Filter filter_;
  const SecretNames names_;
  base::LocalMutex mutex_;
  std::deque<Known> known_ TIDELOCK_GUARDED_BY(mutex_);
  std::deque<RecordPtr> recent_ TIDELOCK_GUARDED_BY(mutex_);
  std::size_t databases_ TIDELOCK_GUARDED_BY(mutex_) = 0;  // That are observed.
  Writer writer_;
  std::optional<RunningStatements> running_;
  base::Task watch_;  // Ends first.
};

Spy::Inside::Inside(base::Runtime& runtime, base::Files& files, Options options)
    : runtime_(runtime),
      options_(std::move(options)),
      filter_(options_.filter),
      names_(options_.secret_names),
      writer_(runtime, sinks_of(runtime, files, options_), options_.queue, options_.say, shown(options_.metrics)) {
  if (options_.still_running <= base::Duration::zero()) return;
  running_.emplace(options_.still_running);
  watch_ = runtime.spawn("spy: running statements", [this](const std::stop_token& stop) { watch(stop); });
}

Known& Spy::Inside::known(const StatementEvent& event) {
  for (auto& known : known_) {
    if (known.place->url == event.database) [[likely]]
      return known;
  }
  const Place place{std::string(event.database), event.dialect.engine, event.dialect.lexis};
  auto& made = known_.emplace_back(Known{std::make_shared<const Place>(place)});
  made.no_text = std::make_shared<const StatementText>(made.place, "", names_, true);
  if (options_.metrics != nullptr) {
    made.seconds = options_.metrics->histogram("tidelock_sql_statement_seconds", "How long statements took.",
                                               {{"database", place.url}});
  }
  return made;
}

void Spy::Inside::count(Known& known, LogCategory category, base::Duration elapsed) {
  auto& counter = known.counts.at(static_cast<std::size_t>(category));
  if (!counter) {
    counter = options_.metrics->counter("tidelock_sql_statements_total", "Statements, by what became of them.",
                                        {{"database", known.place->url}, {"category", std::string(name(category))}});
  }
  counter->add();
  if (category == LogCategory::statement || category == LogCategory::batch) known.seconds->observe(elapsed);
}

std::shared_ptr<const StatementText> Spy::Inside::known_text(const Known& known, const StatementEvent& event) const {
  // As P6Spy has it; those of prepared transactions have a text.
  if (event.sql == "commit" || event.sql == "rollback") return known.no_text;
  if (event.sql.size() > kKeptTextBytes) return nullptr;
  const auto found = known.texts.find(event.sql);
  return found != known.texts.end() ? found->second : nullptr;
}

std::shared_ptr<const StatementText> Spy::Inside::text_of(const StatementEvent& event,
                                                          std::optional<LogCategory> counted) {
  const auto counts = [&](const StatementText& text) {
    return options_.metrics != nullptr && counted && text.wanted();
  };
  std::shared_ptr<const Place> place;
  {
    const base::LocalGuard guard(mutex_);
    auto& from = known(event);
    if (auto text = known_text(from, event)) [[likely]] {
      if (counts(*text)) count(from, *counted, event.elapsed);
      return text->wanted() ? text : nullptr;
    }
    place = from.place;
  }
  // Reading a long text takes its time, for which nobody else waits.
  auto text = std::make_shared<const StatementText>(place, event.sql, names_, filter_.wants_text(event.sql));
  const base::LocalGuard guard(mutex_);
  auto& from = known(event);
  if (event.sql.size() <= kKeptTextBytes) {
    if (from.texts.size() >= kTextsKept) from.texts.clear();
    from.texts.emplace(event.sql, text);
  }
  if (counts(*text)) count(from, *counted, event.elapsed);
  return text->wanted() ? text : nullptr;
}

std::pair<std::shared_ptr<Record>, std::size_t> Spy::Inside::record_of(
    const StatementEvent& event, std::shared_ptr<const StatementText> text) const {
  auto record = std::make_shared<Record>();
  std::size_t bytes = sizeof(Record) + text->sql().size() / 4;  // Most texts are shared by many.
  record->time = runtime_.wall_now();
  record->connection = event.connection;
  record->transaction = event.transaction;
  record->values.reserve(event.values.size());
  for (std::size_t i = 0; i < event.values.size(); ++i) {
    auto& value = text->is_secret(i) ? record->values.emplace_back(std::string(base::kMasked))
                                     : record->values.emplace_back(to_value(event.values[i]));
    bytes += sizeof(Value) + cut(value, options_.value_limit_bytes);
  }
  record->rows = event.rows;
  if (event.error != nullptr) {
    record->error = event.has_secrets || text->touches_secrets()
                        ? std::string(tidelock::name(event.error->code()))
                        : words_of(*event.error, {base::quoted(event.sql), path_of(event.database)});
    bytes += cut_text(record->error, options_.value_limit_bytes);
  }
  if (const auto* work = base::kUnitOfWork.get(event.runtime)) record->work = *work;
  record->statement = std::move(text);
  return {std::move(record), bytes};
}

// An Error may quote another statement than the one that it is reported for: the one that a transaction failed by.
std::string Spy::Inside::words_of(const std::exception& error, std::initializer_list<std::string> harmless) const {
  const auto* const known = dynamic_cast<const Error*>(&error);
  if (known == nullptr) return error.what();
  std::string message = known->message();
  for (const auto& piece : harmless) {
    if (piece.empty()) continue;
    for (auto at = message.find(piece); at != message.npos; at = message.find(piece, at))
      message.erase(at, piece.size());
  }
  const bool tells = words_mention_a_secret(message, names_) ||
                     (known->native() && words_mention_a_secret(known->native()->message, names_));
  return tells ? std::string(tidelock::name(known->code())) : error.what();
}

void Spy::Inside::keep(RecordPtr record, std::size_t bytes) {
  if (options_.recent > 0) {
    RecordPtr oldest;  // Freed outside the mutex.
    const base::LocalGuard guard(mutex_);
    recent_.push_back(record);
    if (recent_.size() > options_.recent) {
      oldest = std::move(recent_.front());
      recent_.pop_front();
    }
  }
  writer_.add(std::move(record), bytes);
}

void Spy::Inside::start(const StatementEvent& event) {
  if (!running_ || !filter_.wants(LogCategory::outage)) return;
  auto text = text_of(event, std::nullopt);
  if (text == nullptr) return;
  auto record = record_of(event, std::move(text)).first;
  record->category = LogCategory::outage;
  running_->started(event.execution, std::move(record), event.started);
}

void Spy::Inside::end(const StatementEvent& event) {
  const auto category = category_of(event);
  const bool wanted = filter_.wants(category) && filter_.is_slow_enough(category, event.elapsed);
  if (running_) running_->ended(event.execution);
  if (!wanted) return;
  auto text = text_of(event, category);
  if (text == nullptr) return;
  auto [record, bytes] = record_of(event, std::move(text));
  record->category = category;
  record->elapsed = event.elapsed;
  keep(std::move(record), bytes);
}

void Spy::Inside::hook_error(std::uint64_t transaction, const std::exception& error) {
  if (!filter_.wants(LogCategory::warn)) return;
  auto record = std::make_shared<Record>();
  record->category = LogCategory::warn;
  record->time = runtime_.wall_now();
  record->transaction = transaction;
  record->error = "an after-commit hook failed: " + words_of(error, {});
  if (const auto* work = base::kUnitOfWork.get(runtime_)) record->work = *work;
  record->statement = std::make_shared<const StatementText>(std::make_shared<const Place>(), "", names_, true);
  const auto bytes = sizeof(Record) + record->error.size();
  keep(std::move(record), bytes);
}

void Spy::Inside::observed() {
  const base::LocalGuard guard(mutex_);
  if (++databases_ == 1) writer_.end_rest();
}

void Spy::Inside::removed() {
  {
    const base::LocalGuard guard(mutex_);
    if (--databases_ > 0) return;
    writer_.begin_rest();
  }
  writer_.flush(runtime_.in(kRestIn));
}

void Spy::Inside::watch(const std::stop_token& stop) {
  runtime_.context().reset();  // It serves every statement, not what happened to start it.
  while (runtime_.sleep_until(running_->next(runtime_.now()), stop)) {
    for (const auto& due : running_->due(runtime_.now())) {
      auto record = std::make_shared<Record>(*due.record);
      record->time = runtime_.wall_now();
      record->elapsed = std::chrono::duration_cast<std::chrono::microseconds>(due.elapsed);
      keep(std::move(record), sizeof(Record));
    }
  }
}

std::vector<RecordPtr> Spy::Inside::recent() {
  const base::LocalGuard guard(mutex_);
  return {recent_.begin(), recent_.end()};
}

Spy::Spy(base::Runtime& runtime, base::Files& files, Options options)
    : inside_(std::make_unique<Inside>(runtime, files, std::move(options))) {}
Spy::~Spy() = default;

std::vector<RecordPtr> Spy::recent() const { return inside_->recent(); }
bool Spy::flush(base::Deadline deadline) { return inside_->writer().flush(deadline); }
std::uint64_t Spy::dropped() const { return inside_->writer().dropped(); }

void Spy::on_observed() noexcept { inside_->observed(); }
void Spy::on_removed() noexcept {
  try {
    inside_->removed();
  } catch (...) {  // It was a wait that ended early: nothing depends on it.
  }
}

// What goes wrong in here, such as no memory, is no trouble of the statement's.
void Spy::on_start(const StatementEvent& event) noexcept {
  try {
    inside_->start(event);
  } catch (const std::exception&) {
    inside_->writer().count_dropped();
  }
}

void Spy::on_statement(const StatementEvent& event) noexcept {
  try {
    inside_->end(event);
  } catch (const std::exception&) {
    inside_->writer().count_dropped();
  }
}

void Spy::on_hook_error(std::uint64_t transaction, const std::exception& error) noexcept {
  try {
    inside_->hook_error(transaction, error);
  } catch (const std::exception&) {
    inside_->writer().count_dropped();
  }
}

}  // namespace tidelock::sql::spy
