#include "tidelock/toolkit/toolkit.h"

#include <algorithm>

#include "tidelock/base/url.h"
#include "tidelock/broker/backends/all.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock {

std::shared_ptr<sql::Database> Toolkit::database(std::string_view url, const sql::DatabaseOptions& options,
                                                 std::optional<base::Deadline> deadline, const std::stop_token& stop) {
  return database(base::Url::parse(url), options, deadline, stop);
}

std::shared_ptr<sql::Database> Toolkit::database(const base::Url& url, const sql::DatabaseOptions& options,
                                                 std::optional<base::Deadline> deadline, const std::stop_token& stop) {
  return sql::open(runtime_, files_, url, options, deadline, stop);
}

std::shared_ptr<lock::Backend> Toolkit::lock_backend(std::string_view text) {
  const auto url = base::Url::parse(text);
  {
    const base::LocalGuard guard(mutex_);
    if (auto found = find_lock_backend(url)) return found;
  }
  std::shared_ptr<lock::Backend> opened = lock::open_backend(runtime_, files_, url);
  const base::LocalGuard guard(mutex_);
  if (auto quicker = find_lock_backend(url)) return quicker;  // The first of several stays.
  return lock_backends_.emplace_back(url, std::move(opened)).second;
}

std::shared_ptr<lock::Backend> Toolkit::find_lock_backend(const base::Url& url) const {
  const auto found = std::ranges::find(lock_backends_, url, &LockBackends::value_type::first);
  return found == lock_backends_.end() ? nullptr : found->second;
}

std::shared_ptr<broker::Broker> Toolkit::broker(std::string_view url) {
  return broker::open(runtime_, files_, base::Url::parse(url));
}

}  // namespace tidelock
