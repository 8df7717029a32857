// PostgreSQL: postgres://user@host/database
#pragma once

#include <memory>
#include <string>

#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::postgres {

std::string version();  // Of libpq.

// `params`: of `url`, with those of DatabaseOptions taken out. Connects to nothing yet.
std::unique_ptr<Driver> make_driver(base::Runtime& runtime, const base::Url& url, base::UrlParams& params,
                                    const DatabaseOptions& options);

}  // namespace tidelock::sql::postgres
