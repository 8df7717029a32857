#include "tidelock/broker/backends/all.h"

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#if TIDELOCK_HAVE_SQLITE
#include "tidelock/broker/backends/sqlite/sqlite_broker.h"
#endif

namespace tidelock::broker {

std::unique_ptr<Broker> open(base::Runtime& runtime, base::Files& files, const base::Url& url) {
  std::vector<std::string> known;
#if TIDELOCK_HAVE_SQLITE
  if (url.scheme == "sqlite") return sqlite::open_sqlite_broker(runtime, files, url);
  known.emplace_back("sqlite:");
#endif
  throw Error(Code::invalid_argument,
              "no broker is known by " + base::quoted(url.scheme + ":") + "; there is " + base::listed(known));
}

}  // namespace tidelock::broker
