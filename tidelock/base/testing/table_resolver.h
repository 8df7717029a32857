// A resolver that knows what it was told. Names that it was not told of are never answered for, as by a server that is
// gone.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/local_mutex.h"
#include "tidelock/base/resolver.h"

namespace tidelock::base::testing {

// Thread-safe.
class TableResolver final : public Resolver {
 public:
  explicit TableResolver(Runtime& runtime, std::map<std::string, std::vector<std::string>> table = {})
      : runtime_(runtime), table_(std::move(table)) {}

  void forget_all() {
    const LocalGuard guard(mutex_);
    table_.clear();
  }

  std::vector<std::string> resolve(const std::string& host, Deadline deadline, const std::stop_token& stop) override {
    {
      const LocalGuard guard(mutex_);
      if (const auto found = table_.find(host); found != table_.end()) return found->second;
    }
    const auto answer = runtime_.make_signal("an answer that does not come");
    if (!answer->wait(answer->count(), deadline, stop)) throw Error(Code::timeout, "nobody answers for " + host);
    throw Error(Code::cancelled, "stopped while " + host + " was looked up");
  }

 private:
  Runtime& runtime_;
  LocalMutex mutex_;
  std::map<std::string, std::vector<std::string>> table_ TIDELOCK_GUARDED_BY(mutex_);
};

}  // namespace tidelock::base::testing
