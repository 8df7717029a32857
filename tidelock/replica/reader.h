// Reads the newest good version of a replica, whatever happens to its folder meanwhile.
//
//   replica::Reader reader(runtime, files, "replica");
//   for (auto row : reader.connect().query("select symbol, price from watchlist")) …
//
// Neither blocks the publisher nor the master, nor is blocked by them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/replica/manifest.h"
#include "tidelock/sql/database.h"

namespace tidelock::replica {

struct ReaderOptions {
  // What connect() gives while there is no good version: a URL, "duckdb:default.duckdb". Empty: not_found.
  std::string default_url{};
  // Of each version's database; it is opened read-only whatever this says.
  sql::DatabaseOptions database{};
  // Added to its URL: "threads=1&memory_limit=512MB". Equal for all Readers of a folder in one process, which share
  // what is open.
  std::string parameters{};
  // How often to look where the folder cannot be watched, and after a version that was not good.
  base::Duration poll = std::chrono::milliseconds(250);
  bool follow = true;  // A task of its own opens new versions when they come, so that connect() finds them open.
};

// What a Reader serves, and why.
struct ReaderState {
  enum class Source {
    newest,     // What current.db names.
    last_good,  // A version that was good when it was opened: `trouble` says what is wrong with the newest.
    fallback,   // ReaderOptions::default_url.
    nothing,
  } source = Source::nothing;
  std::optional<Manifest> manifest;  // Of the version that is served.
  std::optional<Error> trouble;      // Why it is not what current.db names; empty when it is.
  std::uint64_t changes = 0;         // How often another version was taken up.
};
std::string_view name(ReaderState::Source source);

// Thread-safe. Borrows runtime and files.
class Reader {
 public:
  // Looks at the folder, which need not exist yet. Errors: invalid_argument for options.
  Reader(base::Runtime& runtime, base::Files& files, base::Path folder, ReaderOptions options = {});
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // A connection to the newest good version, as current.db names it now. It stays with its version for as long as it
  // lives: take a new one for newer data. Never goes back to an earlier version of an epoch. While the newest is
  // missing, torn or half-published it gives the last good one: what this Reader served, or else the newest before it
  // that is good. Errors: not_found or what is wrong with the newest, when there is none and no default; misuse
  // (another Reader of this process has it open with other parameters) also with one; those of the default.
  sql::Connection connect();
  // The same, with the version it sees; none: it is the default.
  struct Reading {
    sql::Connection connection;
    std::optional<Version> version;
    std::shared_ptr<const Manifest> manifest;  // Of that version; null: it is the default.
  };
  Reading read();

  // The version that connect() gives now; empty: the default, or none.
  std::optional<Version> version();
  ReaderState state();

  // Waits until another version than `seen` is served; false at the deadline or when `stop` is requested.
  bool wait_for_other(const std::optional<Version>& seen, base::Deadline deadline, const std::stop_token& stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
  base::Task follower_;  // Ends first.
};

}  // namespace tidelock::replica
