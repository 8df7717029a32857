#include "tidelock/pipeline/stores.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tidelock/base/backoff.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/batch/durable.h"

namespace tidelock::pipeline {
namespace {

using namespace std::chrono_literals;

constexpr base::BackoffOptions kLockedBackoff{200ms, 2, 10s, base::Jitter::equal};

bool is_out_of_reach(const Error& error) {
  return error.code() == Code::unavailable || error.code() == Code::timeout || error.code() == Code::connection_lost;
}

}  // namespace

Stores::Stores(Toolkit& toolkit, std::span<const Store> stores, Say say, base::Signal& changed,
               std::shared_ptr<sql::Observer> observer)
    : toolkit_(toolkit),
      runtime_(toolkit.runtime()),
      say_(std::move(say)),
      changed_(changed),
      observer_(std::move(observer)),
      opened_(runtime_.make_signal("a store that is being opened")) {
  for (const auto& store : stores) entries_[store.name].store = &store;
}

Stores::~Stores() = default;

std::shared_ptr<sql::Database> Stores::open(std::string_view name, const std::stop_token& stop) {
  Entry* entry = nullptr;
  for (;;) {
    const auto seen = opened_->count();
    {
      const base::LocalGuard guard(mutex_);
      const auto found = entries_.find(name);
      if (found == entries_.end()) throw Error(Code::not_found, "there is no store " + base::quoted(name));
      entry = &found->second;
      if (entry->database) return use(*entry);
      if (!std::exchange(entry->opening, true)) break;
    }
    // Another task opens it: once is enough.
    opened_->wait(seen, base::Deadline::never(), stop);
    if (stop.stop_requested()) throw Error(Code::cancelled, fmt::format("store {} was not opened", name));
  }
  std::shared_ptr<sql::Database> database;
  std::exception_ptr failure;
  try {
    database = open_now(*entry->store, stop);
  } catch (...) {
    failure = std::current_exception();
  }
  std::shared_ptr<sql::Database> used;
  {
    const base::LocalGuard guard(mutex_);
    entry->opening = false;
    entry->database = std::move(database);
    if (!failure) used = use(*entry);
  }
  opened_->notify_all();
  if (failure) std::rethrow_exception(failure);
  return used;
}

std::shared_ptr<sql::Database> Stores::open_now(const Store& store, const std::stop_token& stop) {
  if (!store.file.empty()) toolkit_.files().create_folders(store.file.parent_path());
  base::Backoff backoff(kLockedBackoff);
  std::optional<base::Deadline> comes_back_by;  // While it is out of reach.
  std::string said;
  for (;;) {
    std::string why;
    try {
      sql::DatabaseOptions options;
      options.guarded = store.guarded;
      auto database = toolkit_.database(batch::durable(base::Url::parse(store.url)), options);
      if (observer_) database->observe(observer_);
      if (!said.empty()) {
        say_({Progress::Kind::note, base::LogLevel::info, store.name,
              comes_back_by ? "can be reached, and is open" : "is free, and open"});
      }
      return database;
    } catch (const Error& error) {
      if (is_out_of_reach(error)) {
        if (!comes_back_by) comes_back_by = runtime_.in(kOutOfReachMax);
        if (comes_back_by->passed(runtime_.now())) throw;
      } else if (error.code() == Code::database_locked) {
        comes_back_by.reset();
      } else {
        throw;
      }
      why = error.message();
    }
    if (why != said) say_({Progress::Kind::note, base::LogLevel::warning, store.name, "waits: " + why});
    said = why;
    if (!runtime_.sleep_for(backoff.next(runtime_.random()), stop)) {
      throw Error(Code::cancelled, fmt::format("store {} was not opened: {}", store.name, why));
    }
  }
}

std::shared_ptr<sql::Database> Stores::use(Entry& entry) {
  ++entry.users;
  // The pointer counts users; the database itself stays until close_idle().
  return {entry.database.get(), [this, &entry](sql::Database*) { drop(entry); }};
}

void Stores::drop(Entry& entry) {
  {
    const base::LocalGuard guard(mutex_);
    --entry.users;
    entry.idle_since = runtime_.now();
  }
  changed_.notify_all();
}

base::Deadline Stores::close_idle() {
  auto next = base::Deadline::never();
  std::vector<std::shared_ptr<sql::Database>> closed;  // Outside the mutex: DuckDB writes a checkpoint then.
  {
    const base::LocalGuard guard(mutex_);
    for (auto& [name, entry] : entries_) {
      if (!entry.database || entry.users > 0) continue;
      const auto due = entry.idle_since + kLinger;
      if (due <= runtime_.now()) {
        closed.push_back(std::move(entry.database));
      } else {
        next = std::min(next, base::Deadline(due));
      }
    }
  }
  return next;
}

}  // namespace tidelock::pipeline
