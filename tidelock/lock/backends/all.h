// The arbiters that are compiled in, and opening one by URL.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/lock/backend.h"

namespace tidelock::lock {

// Of the URLs that open_backend() takes: "memory", "sqlite", "postgres", "mariadb".
std::vector<std::string> backend_schemes();

// memory: makes a new arbiter each time; use one Toolkit, or one Backend, for all who are to share it. sqlite:path
// opens or makes the file; postgres:// and mariadb:// make the tables in that database. Borrows runtime and files,
// which must outlive it. Errors: invalid_argument for an unknown scheme (lists the known ones) or parameter; those of
// opening the database; newer_schema.
std::unique_ptr<Backend> open_backend(base::Runtime& runtime, base::Files& files, const base::Url& url,
                                      const OpenOptions& options = {});

}  // namespace tidelock::lock
