#include "tidelock/sql/testing/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <vector>

#include "tidelock/sql/transact.h"

namespace tidelock::sql::testing {

using namespace std::chrono_literals;

namespace {
constexpr std::int64_t kUnitsMost = 1'000'000;  // Of a task.
}

std::ostream& operator<<(std::ostream& out, Told told) {
  return out << (told == Told::applied ? "applied" : told == Told::unknown ? "unknown" : "not applied");
}

Told Ledger::note(std::int64_t id, const std::function<void()>& unit) {
  auto told = Told::applied;
  try {
    unit();
  } catch (const Error& error) {
    told = error.code() == Code::unknown_outcome ? Told::unknown : Told::not_applied;
    EXPECT_TRUE(told == Told::unknown || error.code() == Code::connection_lost || error.code() == Code::unavailable ||
                error.code() == Code::timeout)
        << error.what();
  }
  const base::LocalGuard guard(mutex_);
  told_[id] = told;
  return told;
}

Told Ledger::unit(Database& db, std::int64_t id, const std::function<void()>& before_commit,
                  const std::function<void()>& before_insert) {
  return note(id, [&] {
    auto connection = db.connect();
    auto tx = connection.begin();
    before_insert();
    tx.execute("insert into t (id) values (?)", id);
    before_commit();
    tx.commit();
  });
}

void Ledger::run_under_fire(base::Runtime& runtime, Database& db, int tasks, const Fire& fire) {
  std::atomic<bool> over = false;
  std::vector<base::Task> all;
  for (int task = 0; task < tasks; ++task) {
    all.push_back(runtime.spawn("unit", [&, task](const std::stop_token&) {
      for (std::int64_t n = 0; n == 0 || !over; ++n) {
        const auto id = task * kUnitsMost + n;
        const auto told = note(id, [&] {
          transact(db, {.retry = {.max_attempts = 1000, .backoff = {.base = 1ms, .cap = 20ms}}},
                   [&](Transaction& tx) { tx.execute("insert into t values (?)", id); });
        });
        if (told == Told::not_applied) runtime.sleep_for(1ms);
      }
    }));
  }
  std::exception_ptr failed;
  try {
    for (int i = 0; i < fire.strikes && !fire.out(); ++i) {
      fire.strike();
      runtime.sleep_for(10ms);
    }
  } catch (...) {
    failed = std::current_exception();
  }
  over = true;
  fire.over();
  for (auto& task : all) task.join();
  if (failed) std::rethrow_exception(failed);
}

void Ledger::expect_kept(Database& db) const {
  std::map<std::int64_t, int> rows;
  auto connection = db.connect();
  for (const auto row : connection.query("select id, count(*) from t group by id")) {
    rows[row.get<std::int64_t>(0)] = row.get<int>(1);
  }
  const base::LocalGuard guard(mutex_);
  for (const auto& [id, told] : told_) {
    const int count = rows.contains(id) ? rows[id] : 0;
    EXPECT_LE(count, 1) << id << " was applied twice";
    EXPECT_FALSE(told == Told::applied && count == 0) << id << " is lost";
    EXPECT_FALSE(told == Told::not_applied && count > 0) << id << " was applied after all";
    rows.erase(id);
  }
  EXPECT_TRUE(rows.empty()) << rows.begin()->first << " is a unit of nobody";
}

int Ledger::count(Told told) const {
  const base::LocalGuard guard(mutex_);
  return static_cast<int>(std::ranges::count(told_, told, [](const auto& entry) { return entry.second; }));
}

}  // namespace tidelock::sql::testing
