#include "tidelock/cli/replica_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/command_line.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {
namespace {

constexpr std::size_t kMaxKeep = 1'000'000;

CLI::App* command(CLI::App& parent, const char* name, const char* what, const char* footer) {
  auto* app = parent.add_subcommand(name, what);
  app->footer(footer);
  app->group("Commands");
  return app;
}

[[noreturn]] void refuse(const std::string& what, const std::string& command) {
  throw UsageError(what, fmt::format("see `tidelock replica {} --help`", command));
}

base::Duration time(const std::string& option, const std::string& text, const std::string& command) {
  try {
    return base::parse_duration(text);
  } catch (const Error& error) {
    refuse(fmt::format("{}: {}", option, error.message()), command);
  }
}

constexpr auto kReplicaHelp =
    "Makes versions of a DuckDB or SQLite file that any process opens and reads while the master is being written:\n"
    "neither waits for the other. Readers open DIR/current.db, with any program: it always leads to a complete "
    "version.\n"
    "\n"
    "Examples:\n"
    "  tidelock replica publish market.duckdb --to replica\n"
    "  tidelock replica query replica \"select count(*) from bar\"\n"
    "  tidelock replica status replica --master market.duckdb --max-age 1d";
constexpr auto kPublishHelp =
    "MASTER is a DuckDB or SQLite file; the process that writes it may go on. A DuckDB master is copied as it stands\n"
    "after its last checkpoint: what its owner has committed since is in the owner's log (.wal) and comes with the "
    "next\n"
    "one, and the output says how much that is. A program that publishes its own master through the library leaves\n"
    "nothing out. An SQLite master is copied with all that is committed.\n"
    "\n"
    "The copy is opened and checked before it becomes visible. Two publishers into one folder wait for each other "
    "under\n"
    "a lease that lives where --on says. What an interrupted publisher left behind is cleaned up by the next.\n"
    "\n"
    "Examples:\n"
    "  tidelock replica publish market.duckdb --to replica\n"
    "  tidelock replica publish shop.db --to /srv/replicas/shop --keep 5 --json";
constexpr auto kStatusHelp =
    "For people and for monitoring: one line as monitoring plugins print it, and an exit code of theirs.\n"
    "\n"
    "Exit codes:\n"
    "  0  ok: the version that current.db names is there and opens\n"
    "  1  warning: it is behind its master, or its data is older than --max-age\n"
    "  2  critical: there is none, or it does not open, or a block differs from its hash\n"
    "  3  unknown: it could not be looked at, or this command was called wrongly; the message is on standard error\n"
    "\n"
    "Examples:\n"
    "  tidelock replica status replica\n"
    "  tidelock replica status replica --master market.duckdb --max-age 1d\n"
    "  tidelock replica status replica --blocks --json | jq .problems";
constexpr auto kQueryHelp =
    "Runs one statement that reads, on the newest good version, and prints its rows.\n"
    "\n"
    "Examples:\n"
    "  tidelock replica query replica \"select symbol, close from bar order by day desc limit 5\"\n"
    "  tidelock replica query replica \"select count(*) from bar\" --json | jq '.rows[0][0]'";

}  // namespace

void ReplicaOptions::add_to(CLI::App& root) {
  auto* replica =
      command(root, "replica", "Publish a database file for readers; look at it and query it", kReplicaHelp);
  publish_ = command(*replica, "publish", "Make a new version of a replica", kPublishHelp);
  publish_->add_option("MASTER", master_, "The database file")->option_text(" ");
  publish_->add_option("--to", to_, "Folder of the replica; made when missing")->option_text("DIR");
  publish_->add_option("--keep", keep_, "Versions that stay, the newest included (default 3)")->option_text("N");
  on_ = kDefaultState;
  publish_->add_option("--on", on_, fmt::format("Where the publishers' lease lives (default {})", kDefaultState))
      ->option_text("URL");
  publish_->add_option("--wait", wait_, "Give up waiting, for whatever it is, after this long (default 60s)")
      ->option_text("TIME");
  status_ = command(*replica, "status", "Say how fresh and sound a replica is", kStatusHelp);
  status_->add_option("DIR", folder_, "Folder of the replica")->option_text(" ");
  status_->add_option("--master", master_, "Compare with this master")->option_text("FILE");
  status_->add_option("--max-age", max_age_, "Warn when the data is older")->option_text("TIME");
  status_->add_flag("--blocks", blocks_, "Read the whole file and compare it with the hashes in its manifest");
  query_ = command(*replica, "query", "Read from a replica", kQueryHelp);
  query_->add_option("DIR", folder_, "Folder of the replica")->option_text(" ");
  query_->add_option("SQL", sql_, "One statement that reads")->option_text(" ");
  for (auto* each : {publish_, status_, query_}) each->add_flag("--json", json_, "Print JSON, also for errors");
}

ReplicaPublish ReplicaOptions::publish() const {
  if (master_.empty()) refuse("no MASTER is given", "publish");
  if (to_.empty()) refuse("no folder is given with --to", "publish");
  std::size_t keep = 0;
  const auto* end = keep_.data() + keep_.size();
  const auto [stop, error] = std::from_chars(keep_.data(), end, keep);
  if (error != std::errc() || stop != end || keep == 0 || keep > kMaxKeep) {
    throw UsageError(fmt::format("--keep {} is not a number of versions", base::quoted(keep_)),
                     fmt::format("give 1 to {}", kMaxKeep));
  }
  return {master_, to_, keep, on_, time("--wait", wait_, "publish"), json_};
}

ReplicaStatus ReplicaOptions::status() const {
  if (folder_.empty()) refuse("no DIR is given", "status");
  ReplicaStatus status{folder_, {}, {}, blocks_, json_};
  if (!master_.empty()) status.master = master_;
  if (!max_age_.empty()) status.max_age = time("--max-age", max_age_, "status");
  return status;
}

ReplicaQuery ReplicaOptions::query() const {
  if (folder_.empty()) refuse("no DIR is given", "query");
  if (sql_.empty()) refuse("no SQL is given", "query");
  return {folder_, sql_, json_};
}

}  // namespace tidelock::cli
