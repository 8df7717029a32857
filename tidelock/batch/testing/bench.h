// A state database, an arbiter and a business database to run jobs on, in SQLite files of one process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tidelock/batch/history.h"
#include "tidelock/batch/runner.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::batch::testing {

inline void write_file(base::Files& files, const base::Path& path, std::string_view text) {
  files.write_atomically(path, text);
}

class Bench {
 public:
  Bench(base::Runtime& runtime, base::Files& files, const base::Path& folder = "/",
        const std::string& engine = "sqlite")
      : runtime_(runtime), files_(files) {
    files.create_folders(folder);
    const auto in_folder = [&](const char* name) { return "sqlite:" + (folder / name).string(); };
    state_ = sql::open(runtime, files, base::Url::parse(in_folder("state.db")));
    locks_ = lock::open_backend(runtime, files, base::Url::parse(in_folder("state.db")));
    store_ = sql::open(
        runtime, files,
        base::Url::parse(engine == "sqlite" ? in_folder("shop.db") : engine + ":" + (folder / "shop.duckdb").string()));
    runner_ = std::make_unique<Runner>(context());
  }

  Context context() {
    Context context{.runtime = runtime_, .files = files_, .state = *state_, .locks = *locks_};
    context.open_store = [this](const std::string&, const std::stop_token&) { return store_; };
    context.progress = [this](const Progress& progress) { story_.push_back(progress.text); };
    context.queued = [this](RunId id, const std::string&) { queued_.push_back(id); };
    context.lease = {.ttl = std::chrono::seconds(5), .margin = std::chrono::milliseconds(500), .owner = {}};
    return context;
  }

  RunId queue(const Job& job) {
    return *runner_->runs().queue({.job = job.name, .cause = Cause::hand, .scheduled = base::WallTime{}});
  }
  RunResult run(const Job& job, const std::stop_token& stop = {}) { return *runner_->execute(queue(job), job, stop); }

  sql::Database& store() { return *store_; }
  std::shared_ptr<sql::Database>& store_pointer() { return store_; }
  sql::Database& state() { return *state_; }
  lock::Backend& locks() { return *locks_; }
  Runner& runner() { return *runner_; }
  Runs& runs() { return runner_->runs(); }
  History history() { return History(*state_, *locks_); }
  const std::vector<std::string>& story() const { return story_; }
  const std::vector<RunId>& queued() const { return queued_; }

 private:
  base::Runtime& runtime_;
  base::Files& files_;
  std::shared_ptr<sql::Database> state_;
  std::unique_ptr<lock::Backend> locks_;
  std::shared_ptr<sql::Database> store_;
  std::unique_ptr<Runner> runner_;
  std::vector<std::string> story_;
  std::vector<RunId> queued_;
};

// A job of one step.
inline Job job_of(What what, std::string name = "job") {
  Job job;
  job.name = std::move(name);
  job.store = "shop";
  job.steps.push_back({.name = "step", .what = std::move(what)});
  return job;
}

inline Record record_of(std::vector<std::string> fields, std::vector<std::string> checks = {}) {
  Record record{.name = "row", .checks = std::move(checks)};
  for (const auto& field : fields) record.fields.push_back(Field::parse(field));
  return record;
}

}  // namespace tidelock::batch::testing
