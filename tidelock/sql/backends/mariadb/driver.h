// MariaDB: mariadb://user:password@host:3306/database, also mysql://…
#pragma once

#include <memory>
#include <string>

#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::mariadb {

std::string client_version();

// How text is read in sessions of this URL. Error: invalid_argument.
Lexis lexis_of(const base::Url& url);

// Connects once, to learn what the server can, until the deadline or for the connect_timeout. `params`: of `url`, with
// those of DatabaseOptions taken out.
std::unique_ptr<Driver> make_driver(base::Runtime& runtime, const base::Url& url, base::UrlParams& params,
                                    const DatabaseOptions& options, base::Deadline deadline,
                                    const std::stop_token& stop);

}  // namespace tidelock::sql::mariadb
