// What happens in a pipeline, as lines for people.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "tidelock/base/local_mutex.h"
#include "tidelock/base/runtime.h"
#include "tidelock/pipeline/progress.h"

namespace tidelock::cli {

// Thread-safe. Borrows the stream.
class ProgressLines {
 public:
  enum class Amount { warnings, usual, everything };

  ProgressLines(base::Runtime& runtime, std::ostream& out, Amount amount, std::string zone)
      : runtime_(runtime), out_(out), amount_(amount), zone_(std::move(zone)) {}

  void operator()(const pipeline::Progress& progress) TIDELOCK_EXCLUDES(mutex_);

 private:
  bool wanted(const pipeline::Progress& progress) const;

  base::Runtime& runtime_;
  std::ostream& out_;
  const Amount amount_;
  const std::string zone_;  // Of market time.
  base::LocalMutex mutex_;
};

}  // namespace tidelock::cli
