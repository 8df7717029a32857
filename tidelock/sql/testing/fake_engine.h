// An engine that does as it is told: for tests of what lies above the engines.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tidelock/sql/database.h"

namespace tidelock::sql::testing {

// What the engine does, and what became of it.
struct Script {
  std::function<void()> on_open = [] {};
  std::function<void()> on_commit = [] {};
  std::function<void()> on_script = [] {};
  std::function<bool()> on_reset = [] { return true; };
  std::function<void(std::string_view command)> on_savepoint = [](std::string_view) {};
  int opened = 0;
  int open = 0;
  int commits = 0;
  int rollbacks = 0;
  int cancels = 0;
  bool hung_up = false;
  bool answers = true;
  std::function<void(base::Deadline, const std::stop_token&)> asking = [](auto, const auto&) {};
  int asked = 0;
  base::Deadline asked_until = base::Deadline::never();
  bool is_server = false;
  bool is_standby = false;
  int asked_for_primary = 0;
  bool prepare_ends_connection = false;
  bool poisoned_by_error = false;
};

inline constexpr std::string_view kIsStandby = "is it a standby?";

// The answer to whether it is a standby.
class FakeAnswer final : public Prepared {
 public:
  explicit FakeAnswer(bool value) : value_(value) {}
  std::size_t parameter_count() const override { return 0; }
  std::size_t column_count() const override { return 1; }
  std::string_view column_name(std::size_t) const override { return "answer"; }
  void start(std::span<const ValueView>, base::Deadline) override {}
  bool next() override { return true; }
  ValueView value(std::size_t) override { return value_; }
  std::int64_t changes() const override { return 0; }
  void finish() noexcept override {}

 private:
  bool value_;
};

class FakeSession final : public Session {
 public:
  explicit FakeSession(Script& script) : script_(script) { ++script_.open; }
  ~FakeSession() override { --script_.open; }
  std::unique_ptr<Prepared> prepare(std::string_view sql, base::Deadline) override {
    if (sql != kIsStandby) throw Error(Code::statement_invalid, "no");
    ++script_.asked_for_primary;
    return std::make_unique<FakeAnswer>(script_.is_standby);
  }
  void run_script(std::string_view, base::Deadline) override { script_.on_script(); }
  void begin(const BeginOptions&) override {}
  Position commit(bool) override {
    ++script_.commits;
    script_.on_commit();
    return {"1"};
  }
  void rollback() noexcept override { ++script_.rollbacks; }
  void savepoint(std::string_view) override { script_.on_savepoint("savepoint"); }
  void release_savepoint(std::string_view) override { script_.on_savepoint("release"); }
  void rollback_to_savepoint(std::string_view) override { script_.on_savepoint("rollback to"); }
  std::unique_ptr<Bulk> bulk(std::string_view, std::span<const std::string>) override { return nullptr; }
  void cancel() noexcept override { ++script_.cancels; }
  bool reset() noexcept override { return script_.on_reset(); }
  bool has_hung_up() noexcept override { return script_.hung_up; }
  bool is_alive(base::Deadline deadline, const std::stop_token& stop) noexcept override {
    ++script_.asked;
    script_.asked_until = deadline;
    script_.asking(deadline, stop);
    return script_.answers && !stop.stop_requested();
  }
  void prepare_commit() override { script_.on_commit(); }

 private:
  Script& script_;
};

class FakeDriver final : public Driver {
 public:
  explicit FakeDriver(Script& script) : script_(script) {
    dialect_.engine = "fake";
    dialect_.is_server = script.is_server;
    if (script.is_server) dialect_.is_standby = kIsStandby;
    dialect_.two_phase.supported = true;
    dialect_.savepoints = true;
    dialect_.poisoned_by_error = script.poisoned_by_error;
    dialect_.prepare_ends_connection = script.prepare_ends_connection;
  }
  const Dialect& dialect() const override { return dialect_; }
  std::unique_ptr<Session> open(base::Deadline, const std::stop_token& stop) override {
    if (stop.stop_requested()) throw Error(Code::cancelled, "stopped while it connected");
    script_.on_open();
    ++script_.opened;
    return std::make_unique<FakeSession>(script_);
  }

 private:
  Script& script_;
  Dialect dialect_;
};

inline std::unique_ptr<Database> make_fake(base::Runtime& runtime, Script& script, DatabaseOptions options = {}) {
  return std::make_unique<Database>(runtime, std::make_unique<FakeDriver>(script), std::move(options), "fake:");
}

}  // namespace tidelock::sql::testing
