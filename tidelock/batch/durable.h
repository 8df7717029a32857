// Store and state of a run tell one story, also after a power cut: what the state calls done stands in the store, and
// whatever stands in the store is known to the state.
#pragma once

#include "tidelock/base/url.h"

namespace tidelock::batch {

// The URL to open a store or a state of runs with. Of the engines only SQLite, by default, leaves it to the system when
// a commit reaches the disk: here each waits for it (synchronous=full), unless the URL itself says what it wants.
base::Url durable(base::Url url);

}  // namespace tidelock::batch
