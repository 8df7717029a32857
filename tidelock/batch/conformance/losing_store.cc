#include "tidelock/batch/conformance/losing_store.h"

#include <span>
#include <string_view>
#include <utility>

#if TIDELOCK_HAVE_SQLITE
#include "tidelock/sql/backends/sqlite/driver.h"
#if TIDELOCK_HAVE_POSTGRES
#include "tidelock/sql/backends/postgres/driver.h"
#endif
#if TIDELOCK_HAVE_MARIADB
#include "tidelock/sql/backends/mariadb/driver.h"
#endif

namespace tidelock::batch::conformance {
namespace {

class LosingPrepared final : public sql::Prepared {
 public:
  LosingPrepared(base::Runtime& runtime, std::unique_ptr<sql::Prepared> inner, Plan& plan, bool loses)
      : runtime_(runtime), inner_(std::move(inner)), plan_(plan), loses_(loses) {}

  std::size_t parameter_count() const override { return inner_->parameter_count(); }
  std::size_t column_count() const override { return inner_->column_count(); }
  std::string_view column_name(std::size_t column) const override { return inner_->column_name(column); }
  void start(std::span<const sql::ValueView> values, base::Deadline deadline) override {
    if (runtime_.now() < plan_.back_at) throw Error(Code::connection_lost, "the server is gone");
    inner_->start(values, deadline);
    rows_ = 0;
  }
  bool next() override {
    if (loses_ && plan_.times > 0 && rows_++ == plan_.behind) {
      --plan_.times;
      ++plan_.lost;
      plan_.back_at = runtime_.now() + plan_.gone_for;
      throw Error(plan_.rows_end_by, "rows were lost");
    }
    return inner_->next();
  }
  sql::ValueView value(std::size_t column) override { return inner_->value(column); }
  std::int64_t changes() const override { return inner_->changes(); }
  void finish() noexcept override { inner_->finish(); }

 private:
  base::Runtime& runtime_;
  const std::unique_ptr<sql::Prepared> inner_;
  Plan& plan_;
  const bool loses_;
  int rows_ = 0;
};

class LosingSession final : public sql::Session {
 public:
  LosingSession(base::Runtime& runtime, std::unique_ptr<sql::Session> inner, Plan& plan)
      : runtime_(runtime), inner_(std::move(inner)), plan_(plan) {}

  std::unique_ptr<sql::Prepared> prepare(std::string_view sql, base::Deadline deadline) override {
    const bool loses = !plan_.rows_of.empty() && sql.find(plan_.rows_of) != sql.npos;
    return std::make_unique<LosingPrepared>(runtime_, inner_->prepare(sql, deadline), plan_, loses);
  }
  void run_script(std::string_view sql, base::Deadline deadline) override { inner_->run_script(sql, deadline); }
  void begin(const sql::BeginOptions& options) override {
    if (is_gone()) throw Error(Code::connection_lost, "the server is gone");
    inner_->begin(options);
  }
  sql::Position commit(bool want_position) override {
    if (plan_.lose == 0 || --plan_.lose > 0) return inner_->commit(want_position);
    ++plan_.lost;
    switch (plan_.fate) {
      case Fate::committed:
        inner_->commit(want_position);
        break;
      case Fate::rolled_back:
        inner_->rollback();
        break;
      case Fate::committed_late:
        given_away_ = true;
        plan_.late = inner_;
        plan_.tell->notify_all();
        break;
      case Fate::server_goes:
        inner_->rollback();
        plan_.back_at = runtime_.now() + plan_.gone_for;
        throw Error(Code::connection_lost, "the server was stopped");
      case Fate::refused:
        inner_->rollback();
        plan_.taking_over();
        throw Error(Code::read_only_server, "not the primary yet");
    }
    throw Error(Code::unknown_outcome, "the connection was lost");
  }
  bool transaction_alive() const noexcept override { return inner_->transaction_alive(); }
  void rollback() noexcept override {
    if (!given_away_) inner_->rollback();
  }
  void savepoint(std::string_view name) override { inner_->savepoint(name); }
  void release_savepoint(std::string_view name) override { inner_->release_savepoint(name); }
  void rollback_to_savepoint(std::string_view name) override { inner_->rollback_to_savepoint(name); }
  std::unique_ptr<sql::Bulk> bulk(std::string_view table, std::span<const std::string> columns) override {
    return inner_->bulk(table, columns);
  }
  void cancel() noexcept override { inner_->cancel(); }
  void expect_cancel() override { inner_->expect_cancel(); }
  bool reset() noexcept override { return !given_away_ && !is_gone() && inner_->reset(); }

 private:
  bool is_gone() const { return runtime_.now() < plan_.back_at; }

  base::Runtime& runtime_;
  const std::shared_ptr<sql::Session> inner_;
  Plan& plan_;
  bool given_away_ = false;
};

class LosingDriver final : public sql::Driver {
 public:
  LosingDriver(base::Runtime& runtime, std::unique_ptr<sql::Driver> inner, Plan& plan)
      : runtime_(runtime), inner_(std::move(inner)), plan_(plan) {}

  const sql::Dialect& dialect() const override { return inner_->dialect(); }
  std::unique_ptr<sql::Session> open(base::Deadline deadline, const std::stop_token& stop) override {
    if (runtime_.now() < plan_.back_at) throw Error(Code::unavailable, "connection refused");
    return std::make_unique<LosingSession>(runtime_, inner_->open(deadline, stop), plan_);
  }

 private:
  base::Runtime& runtime_;
  std::unique_ptr<sql::Driver> inner_;
  Plan& plan_;
};

}  // namespace

std::shared_ptr<sql::Database> losing_store(base::Runtime& runtime, base::Files& files, Plan& plan,
                                            const base::Url& url) {
  base::UrlParams params(url);
  std::unique_ptr<sql::Driver> driver;
#if TIDELOCK_HAVE_POSTGRES
  if (url.scheme == "postgres") driver = sql::postgres::make_driver(runtime, url, params, {});
#endif
#if TIDELOCK_HAVE_MARIADB
  if (url.scheme == "mariadb")
    driver = sql::mariadb::make_driver(runtime, url, params, {}, base::Deadline::never(), {});
#endif
  if (driver == nullptr) driver = sql::sqlite::make_driver(runtime, files, url, params, {});
  return std::make_shared<sql::Database>(runtime, std::make_unique<LosingDriver>(runtime, std::move(driver), plan),
                                         sql::DatabaseOptions{}, url.to_string());
}

}  // namespace tidelock::batch::conformance
#endif
