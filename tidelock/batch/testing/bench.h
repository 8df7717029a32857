// A state database, an arbiter and a business database to run jobs on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tidelock/batch/durable.h"
#include "tidelock/batch/history.h"
#include "tidelock/batch/runner.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::batch::testing {

inline void write_file(base::Files& files, const base::Path& path, std::string_view text) {
  files.write_atomically(path, text);
}

// Where each of the three is.
struct BenchUrls {
  base::Url state;
  base::Url locks;
  base::Url store;
};

// Files in one folder; `engine` is that of the store.
inline BenchUrls bench_files(const base::Path& folder, const std::string& engine = "sqlite") {
  const auto in_folder = [&](const std::string& scheme, const char* name) {
    return base::Url::parse(scheme + ":" + (folder / name).string());
  };
  return {.state = in_folder("sqlite", "state.db"),
          .locks = in_folder("sqlite", "state.db"),
          .store = engine == "sqlite" ? in_folder(engine, "shop.db") : in_folder(engine, "shop.duckdb")};
}

class Bench {
 public:
  Bench(base::Runtime& runtime, base::Files& files, const base::Path& folder = "/",
        const std::string& engine = "sqlite")
      : Bench(runtime, files, (files.create_folders(folder), bench_files(folder, engine))) {}
  Bench(base::Runtime& runtime, base::Files& files, const BenchUrls& urls) : runtime_(runtime), files_(files) {
    state_ = sql::open(runtime, files, durable(urls.state));
    locks_ = lock::open_backend(runtime, files, urls.locks);
    store_ = sql::open(runtime, files, durable(urls.store));
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

  bool request_stop(RunId id) { return runs().request_stop(id, *locks_, runtime_.in(std::chrono::seconds(10))); }

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
