// A broker in an SQLite file, for the processes of one machine.
#pragma once

#include <memory>

#include "tidelock/base/url.h"
#include "tidelock/broker/backends/sqlite/topics.h"

namespace tidelock::broker::sqlite {

std::unique_ptr<Broker> open_sqlite_broker(base::Runtime& runtime, base::Files& files, const base::Url& url);

}  // namespace tidelock::broker::sqlite
