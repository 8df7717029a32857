// A pipeline file, read and checked: what `tidelock run` and `tidelock batch` work on.
//
//   const auto pipeline = pipeline::load(files, "pipeline.toml");
//
// docs/pipeline.md says what a file may contain; keys.h is the table of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/backoff.h"
#include "tidelock/base/files.h"
#include "tidelock/base/time.h"
#include "tidelock/batch/job.h"
#include "tidelock/sql/spy/spy.h"

namespace tidelock::pipeline {

struct Settings {
  std::string name;
  std::string timezone;        // IANA name.
  base::Path folder;           // Of the pipeline file; programs run there.
  base::Path work;             // Folder for everything that is made.
  std::string state;           // URL of the state database.
  base::Duration keep_runs{};  // How long runs that are over stay in it.
};

struct Store {
  std::string name;
  std::string url;
  base::Path file;       // Empty when it is no file.
  bool guarded = false;  // See sql/guard.h.
};

struct Replica {
  std::string name;
  std::string store;
  base::Path to;
  std::size_t keep = 3;
};

struct Service {
  enum class Restart { always, on_failure, never };

  std::string name;
  std::vector<std::string> argv;  // The program with its path, where it was found.
  std::map<std::string, std::string> env;
  base::Path folder;  // To run in.
  Restart restart = Restart::always;
  base::BackoffOptions backoff{};
  base::Duration stop_timeout{};  // Between SIGTERM and SIGKILL.
};

// What writes down the statements of all stores.
struct Spy {
  sql::spy::Options options;
  std::vector<std::string> notes;  // Keys of spy.properties that mean nothing here.
};

// Plain data. Paths and URLs are complete: nothing is relative, {work} is replaced. In the order of the file.
struct Pipeline {
  Settings settings;
  std::vector<Store> stores;
  std::vector<Replica> replicas;
  std::vector<batch::Group> groups;
  std::vector<batch::Record> records;
  std::vector<batch::Job> jobs;
  std::vector<Service> services;
  std::optional<Spy> spy;

  // Null when there is none.
  const Store* store(std::string_view name) const;
  const Replica* replica(std::string_view name) const;
  const batch::Job* job(std::string_view name) const;
};

struct LoadOptions {
  base::Path from{};  // What relative paths outside the file are relative to; as a rule the working folder.
  std::optional<base::Path> work{};  // Instead of the file's own.
  // Where programs without '/' are looked for, in this order. Empty: they are not looked for.
  std::vector<base::Path> program_folders{};
};

// Reads the file and everything it names, changes nothing. Errors: InvalidPipeline (mistakes.h) with all that is wrong;
// those of Files for the file itself.
Pipeline load(base::Files& files, const base::Path& file, const LoadOptions& options = {});

}  // namespace tidelock::pipeline
