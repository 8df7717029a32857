// A pipeline with one store, one replica and the jobs of a test, in a World.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/pipeline/supervisor.h"
#include "tidelock/pipeline/testing/fake_host.h"

namespace tidelock::pipeline::testing {

// What each pipeline of a test begins with.
inline constexpr std::string_view kHead = R"(
[pipeline]
name = "shop"

[store.shop]
url = "sqlite:{work}/shop.db"

[replica.shop]
store = "shop"
to = "{work}/replica"
)";

// A job that notes each of its moments.
inline std::string noting(const std::string& name, const std::string& keys) {
  return "\n[job." + name + "]\nstore = \"shop\"\n" + keys + "\n[[job." + name +
         ".step]]\nname = \"note\"\nsql = \"note.sql\"\n";
}

// One process that runs a pipeline, as often as the test wants.
class Bench {
 public:
  Bench(base::Runtime& runtime, base::Files& files, const std::string& jobs, base::Path folder = "/p")
      : runtime_(runtime), files_(files), folder_(std::move(folder)), toolkit_(runtime, files), host_(runtime) {
    files.create_folders(folder_);
    write("note.sql", "create table if not exists note (at text); insert into note values ($now);");
    write("broken.sql", "insert into nowhere values (1);");
    write("pipeline.toml", std::string(kHead) + jobs);
  }

  void write(const std::string& name, const std::string& text) { files_.write_atomically(folder_ / name, text); }

  Surroundings surroundings() {
    return {.toolkit = toolkit_,
            .services = host_,
            .publish =
                [this](const Replica&, sql::Database&, const std::stop_token&) {
                  runtime_.sleep_for(publishing_takes);
                  if (disk_is_full) throw Error(Code::disk_full, "no space is left for the replica");
                  return "version " + std::to_string(++versions);
                },
            .process_alive =
                [this](std::int64_t pid) {
                  if (when_asked) when_asked();
                  return !dead.contains(pid);
                },
            .say =
                [this](const Progress& progress) {
                  said.push_back(progress.about + ": " + progress.text);
                  if (when_said) when_said(progress);
                }};
  }

  // Until the stop is requested.
  Summary run(const std::stop_token& drain, SupervisorOptions options = {}) {
    const auto pipeline = load(files_, folder_ / "pipeline.toml");
    return Supervisor(pipeline, surroundings(), std::move(options)).run(drain);
  }
  // For so long.
  Summary run_for(base::Duration duration, SupervisorOptions options = {}) {
    std::stop_source drain;
    const auto timer = runtime_.spawn("timer", [&](const std::stop_token& stop) {
      runtime_.sleep_for(duration, stop);
      drain.request_stop();
    });
    return run(drain.get_token(), std::move(options));
  }
  Summary replay(std::string_view days, base::Duration day = std::chrono::seconds(2)) {
    return run({}, {.replay = Replay::parse(days, day, "UTC")});
  }
  Summary run_once(const std::string& job) {
    const auto pipeline = load(files_, folder_ / "pipeline.toml");
    return Supervisor(pipeline, surroundings()).run_once(job, {});
  }

  Summary resume(batch::RunId run) {
    const auto pipeline = load(files_, folder_ / "pipeline.toml");
    return Supervisor(pipeline, surroundings()).resume(run, {});
  }

  std::vector<std::string> notes() {
    std::vector<std::string> all;
    auto connection = database("shop.db")->connect();
    for (const auto row : connection.query("select at from note order by rowid")) {
      all.push_back(row.get<std::string>(0));
    }
    return all;
  }

  FakeHost& host() { return host_; }
  Toolkit& toolkit() { return toolkit_; }

  std::shared_ptr<sql::Database> database(const std::string& name) {
    return toolkit_.database("sqlite:" + (folder_ / "work" / name).string());
  }
  std::shared_ptr<sql::Database> state() { return database("state.db"); }

  std::vector<std::string> said;
  std::function<void(const Progress&)> when_said;
  std::set<std::int64_t> dead;
  std::function<void()> when_asked;  // For who is dead.
  bool disk_is_full = false;
  base::Duration publishing_takes{};
  int versions = 0;

 private:
  base::Runtime& runtime_;
  base::Files& files_;
  const base::Path folder_;
  Toolkit toolkit_;
  FakeHost host_;
};

}  // namespace tidelock::pipeline::testing
