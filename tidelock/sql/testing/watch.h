// Lets a test act where a statement begins or has failed.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "tidelock/sql/observer.h"

namespace tidelock::sql::testing {

// Is called in the task that runs the statement: for a Database that one task uses.
struct Watch : Observer {
  void on_start(const StatementEvent& event) noexcept override { begins(event.sql); }
  void on_statement(const StatementEvent& event) noexcept override {
    if (event.error == nullptr) return;
    failures.push_back(event.error->code());
    failed(event);
  }

  std::function<void(std::string_view sql)> begins = [](std::string_view) {};
  std::function<void(const StatementEvent& event)> failed = [](const StatementEvent&) {};
  std::vector<Code> failures;
};

}  // namespace tidelock::sql::testing
