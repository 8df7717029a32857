// The programs beside the jobs: started in order, kept running, stopped in reverse order.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "tidelock/base/runtime.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/pipeline/progress.h"
#include "tidelock/pipeline/service_host.h"

namespace tidelock::pipeline {

// Used by one task. Borrows everything.
class Services {
 public:
  // A service that ran for this long begins its backoff anew.
  static constexpr base::Duration kSettled = std::chrono::minutes(1);

  Services(base::Runtime& runtime, ServiceHost& host, std::span<const Service> services, Say say);
  ~Services();  // Stops what runs.
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // Returns at once. Each is started when the one before it runs, or could not be started.
  void start();
  // Each gets SIGTERM and its stop_timeout, and the next one's turn comes when nothing of it is left. Once `hurry` is
  // requested the rest is ended at once.
  void stop(const std::stop_token& hurry = {});

  std::uint64_t restarts() const { return restarts_.load(); }

 private:
  void keep(std::size_t place, const std::stop_token& stop);
  bool await_turn(std::size_t place, const std::stop_token& stop);  // False: stopped before.
  void pass_turn_on(std::size_t place);
  // How it ended; empty when it was stopped, or could not be started.
  std::optional<base::ExitStatus> run_once(std::size_t place, const std::stop_token& stop);
  void note(const Service& service, base::LogLevel level, std::string text) const;

  base::Runtime& runtime_;
  ServiceHost& host_;
  std::span<const Service> services_;
  Say say_;
  std::unique_ptr<base::Signal> next_;     // Another one may be started.
  std::atomic<std::size_t> may_start_{0};  // The service at this place, and those before it.
  std::stop_source hurry_;
  std::vector<base::Task> running_;
  std::atomic<std::uint64_t> restarts_{0};
};

}  // namespace tidelock::pipeline
