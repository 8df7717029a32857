#include "examples/market/live/books.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/url.h"
#include "tidelock/replica/reader.h"
#include "tidelock/sql/backends/all.h"

namespace market {
namespace {

using namespace std::chrono_literals;
using tidelock::Code;
using tidelock::Error;
using tidelock::base::LocalGuard;
namespace base = tidelock::base;
namespace replica = tidelock::replica;
namespace sql = tidelock::sql;

constexpr auto kLookAtMaster = 20ms;  // At the master's file, which tells nobody that it changed.

class ReplicaSource : public Source {
 public:
  ReplicaSource(base::Runtime& runtime, base::Files& files, const base::Path& folder)
      : reader_(runtime, files, folder, {.parameters = "threads=1"}) {}

  Reading read() override {
    auto reading = reader_.read();
    return {std::move(reading.connection), reading.version};
  }

  void wait_for_news(base::Deadline deadline, const std::stop_token& stop) override {
    reader_.wait_for_other(seen_, deadline, stop);
    seen_ = reader_.version();
  }

 private:
  replica::Reader reader_;
  std::optional<replica::Version> seen_;  // By whoever waits: one task.
};

class MasterSource : public Source {
 public:
  MasterSource(base::Runtime& runtime, base::Files& files, const base::Path& file)
      : runtime_(runtime), files_(files), url_(base::Url::parse("duckdb:" + file.string() + "?threads=1")) {}

  Reading read() override {
    const auto database = sql::open(runtime_, files_, url_, {.max_connections = 1, .read_only = true});
    return {database->connect(), std::nullopt};  // It keeps open what it needs.
  }

  void wait_for_news(base::Deadline deadline, const std::stop_token& stop) override {
    runtime_.sleep_until(std::min(deadline, runtime_.in(kLookAtMaster)).at(), stop);
  }

 private:
  base::Runtime& runtime_;
  base::Files& files_;
  const base::Url url_;
};

}  // namespace

std::unique_ptr<Source> replica_source(base::Runtime& runtime, base::Files& files, const base::Path& folder) {
  return std::make_unique<ReplicaSource>(runtime, files, folder);
}

std::unique_ptr<Source> master_source(base::Runtime& runtime, base::Files& files, const base::Path& file) {
  return std::make_unique<MasterSource>(runtime, files, file);
}

bool Books::read(const std::function<void(sql::Connection&)>& look) {
  try {
    auto reading = source_->read();
    if (reading.version) saw(*reading.version);
    look(reading.connection);
    ++reads_;
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::not_found || has_seen_a_version()) failed(error, error.code() == Code::database_locked);
  } catch (const std::exception& error) {
    failed(error, false);
  }
  return false;
}

void Books::saw(const replica::Version& version) {
  const LocalGuard guard(mutex_);
  if (newest_ == version) return;
  if (newest_ && newest_->epoch == version.epoch && version.sequence < newest_->sequence) {
    ++went_back_;
    return;
  }
  ++versions_;
  newest_ = version;
}

bool Books::has_seen_a_version() const {
  const LocalGuard guard(mutex_);
  return versions_ > 0;
}

void Books::failed(const std::exception& error, bool locked) {
  ++reads_;
  ++failed_;
  if (locked) ++locked_;
  const LocalGuard guard(mutex_);
  last_failure_ = error.what();
}

void Books::resume(const nlohmann::json& counts) {
  try {
    reads_ = counts.at("reads").get<std::uint64_t>();
    failed_ = counts.at("reads_failed").get<std::uint64_t>();
    locked_ = counts.at("lock_conflicts").get<std::uint64_t>();
    const LocalGuard guard(mutex_);
    versions_ = counts.at("versions");
    went_back_ = counts.at("went_back");
    last_failure_ = counts.at("last_failure");
  } catch (const nlohmann::json::exception& error) {
    throw Error(Code::corrupt, std::string("no counts of reads: ") + error.what());
  }
}

nlohmann::json Books::counts() const {
  const LocalGuard guard(mutex_);
  return {{"reads", reads_.load()}, {"reads_failed", failed_.load()}, {"lock_conflicts", locked_.load()},
          {"versions", versions_},  {"went_back", went_back_},        {"last_failure", last_failure_}};
}

}  // namespace market
