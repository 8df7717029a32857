// The brokers that are compiled in, and opening one by URL.
#pragma once

#include <memory>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/broker/broker.h"

namespace tidelock::broker {

// sqlite:path — see docs/broker.md. Borrows runtime and files. Errors: invalid_argument for an unknown scheme (lists
// the known ones) or parameter; those of opening the database.
std::unique_ptr<Broker> open(base::Runtime& runtime, base::Files& files, const base::Url& url);

}  // namespace tidelock::broker
