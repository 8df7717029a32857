#include "tidelock/toolkit/toolkit.h"

#include "tidelock/base/url.h"
#include "tidelock/broker/backends/all.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock {

std::shared_ptr<sql::Database> Toolkit::database(std::string_view url, const sql::DatabaseOptions& options) {
  return database(base::Url::parse(url), options);
}

std::shared_ptr<sql::Database> Toolkit::database(const base::Url& url, const sql::DatabaseOptions& options) {
  return sql::open(runtime_, files_, url, options);
}

std::shared_ptr<lock::Backend> Toolkit::lock_backend(std::string_view url) {
  {
    const base::LocalGuard guard(mutex_);
    if (const auto found = lock_backends_.find(url); found != lock_backends_.end()) return found->second;
  }
  std::shared_ptr<lock::Backend> opened = lock::open_backend(runtime_, files_, base::Url::parse(url));
  const base::LocalGuard guard(mutex_);
  return lock_backends_.try_emplace(std::string(url), std::move(opened)).first->second;  // The first of several stays.
}

std::shared_ptr<broker::Broker> Toolkit::broker(std::string_view url) {
  return broker::open(runtime_, files_, base::Url::parse(url));
}

}  // namespace tidelock
