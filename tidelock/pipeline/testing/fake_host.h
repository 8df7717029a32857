// Services in a World: programs that live for as long as the test says.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"
#include "tidelock/pipeline/service_host.h"

namespace tidelock::pipeline::testing {

// Keeps a story of what happened to whom, each with its moment.
class FakeHost final : public ServiceHost {
 public:
  // How the programs of one service behave.
  struct Program {
    std::optional<base::Duration> lives{};  // Empty: until it is stopped.
    int code = 0;                           // It ends with.
    base::Duration starts_in{};
    base::Duration stops_in{};  // After SIGTERM; it is killed after its stop_timeout.
    bool missing = false;
    std::vector<std::string> says{};
  };
  struct Event {
    base::Duration at;
    std::string what;  // "start a", "term a", "end a", "kill a"
  };

  explicit FakeHost(base::Runtime& runtime) : runtime_(runtime), began_(runtime.now()) {}

  std::map<std::string, Program> programs;
  std::vector<Event> story;
  int running = 0;

  std::vector<std::string> whats() const {
    std::vector<std::string> all;
    for (const auto& event : story) all.push_back(event.what);
    return all;
  }

  std::unique_ptr<RunningService> start(const Service& service, Output output) override {
    const auto& program = programs[service.name];
    runtime_.sleep_for(program.starts_in);
    if (program.missing) throw Error(Code::not_found, "there is no such program");
    note("start " + service.name);
    for (const auto& line : program.says) output(line);
    return std::make_unique<Running>(*this, service, program);
  }

 private:
  class Running final : public RunningService {
   public:
    Running(FakeHost& host, const Service& service, const Program& program)
        : host_(host), service_(service), program_(program), pid_(++host.last_pid_) {
      ++host.running;
      if (program.lives) ends_ = host.runtime_.in(*program.lives).at();
    }
    ~Running() override {
      --host_.running;
      if (!over_) host_.note("kill " + service_.name);
    }
    std::int64_t pid() const override { return pid_; }
    std::optional<base::ExitStatus> wait(base::Deadline deadline, const std::stop_token& stop) override {
      host_.runtime_.sleep_until(std::min(ends_, deadline.at()), stop);
      if (host_.runtime_.now() < ends_) return std::nullopt;
      if (!over_) host_.note("end " + service_.name);
      over_ = true;
      return killed_ ? base::ExitStatus{0, 9} : base::ExitStatus{program_.code, 0};
    }
    void end() override {
      host_.note("term " + service_.name);
      killed_ = program_.stops_in > service_.stop_timeout;
      ends_ = host_.runtime_.now() + std::min(program_.stops_in, service_.stop_timeout);
    }

   private:
    FakeHost& host_;
    const Service& service_;
    const Program program_;
    const std::int64_t pid_;
    base::Instant ends_ = base::Instant::max();
    bool killed_ = false;
    bool over_ = false;
  };

  void note(std::string what) { story.push_back({runtime_.now() - began_, std::move(what)}); }

  base::Runtime& runtime_;
  const base::Instant began_;
  std::int64_t last_pid_ = 0;
};

}  // namespace tidelock::pipeline::testing
