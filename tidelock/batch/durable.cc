#include "tidelock/batch/durable.h"

namespace tidelock::batch {

base::Url durable(base::Url url) {
  if (url.scheme == "sqlite") url.params.try_emplace("synchronous", "full");
  return url;
}

}  // namespace tidelock::batch
