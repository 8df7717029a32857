// SQLite: sqlite:path, sqlite::memory:
#pragma once

#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/database.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::sqlite {

std::string version();

// `params`: of `url`, with those of DatabaseOptions taken out. Its own: synchronous.
std::unique_ptr<Driver> make_driver(base::Runtime& runtime, base::Files& files, const base::Url& url,
                                    base::UrlParams& params, const DatabaseOptions& options);

}  // namespace tidelock::sql::sqlite
