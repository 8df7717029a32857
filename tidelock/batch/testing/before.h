// Acts in the middle of a run: before its task executes a statement, or after it.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "tidelock/sql/observer.h"

namespace tidelock::batch::testing {

// Once, before the first statement with this part. The act must not throw.
class Before final : public sql::Observer {
 public:
  Before(std::string part, std::function<void()> act) : part_(std::move(part)), act_(std::move(act)) {}

  void on_start(const sql::StatementEvent& event) noexcept override {
    if (event.sql.find(part_) == event.sql.npos) return;
    if (const auto act = std::exchange(act_, nullptr)) act();
  }
  void on_statement(const sql::StatementEvent&) noexcept override {}

 private:
  const std::string part_;
  std::function<void()> act_;
};

// The same after it.
class After final : public sql::Observer {
 public:
  After(std::string part, std::function<void()> act) : part_(std::move(part)), act_(std::move(act)) {}

  void on_statement(const sql::StatementEvent& event) noexcept override {
    if (event.sql.find(part_) == event.sql.npos) return;
    if (const auto act = std::exchange(act_, nullptr)) act();
  }

 private:
  const std::string part_;
  std::function<void()> act_;
};

}  // namespace tidelock::batch::testing
