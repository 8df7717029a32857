// A store on an engine itself, over connections that lose answers and rows.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/driver.h"

namespace tidelock::batch::conformance {

enum class Fate { committed, rolled_back, committed_late, server_goes, refused };

// What is lost.
struct Plan {
  // Which commit is not answered, and what became of it.
  int lose = 0;  // The n-th from here on; 0: none.
  Fate fate = Fate::committed;
  int lost = 0;
  base::Duration gone_for{};             // Before the server that goes is there again.
  base::Instant back_at{};               // When it is.
  std::shared_ptr<sql::Session> late{};  // Whose commit is on its way.
  base::Signal* tell = nullptr;          // That it is.
  std::function<void()> taking_over{};   // While the server refuses to write.

  // Rows that do not arrive.
  std::string rows_of{};  // Of statements with this part,
  int behind = 0;         // behind so many of them,
  int times = 0;          // so often.
  Code rows_end_by = Code::connection_lost;
};

// Borrows the plan.
std::shared_ptr<sql::Database> losing_store(base::Runtime& runtime, base::Files& files, Plan& plan,
                                            const base::Url& url = base::Url::parse("sqlite:/shop.db"));

}  // namespace tidelock::batch::conformance
