// Which database a driver opens, and how.
#pragma once

#include <memory>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/time.h"
#include "tidelock/sql/backends/sqlite/position.h"
#include "tidelock/sql/backends/sqlite/vfs.h"

namespace tidelock::sql::sqlite {

// Constant for one driver, and shared by its sessions.
struct Place {
  base::Runtime& runtime;
  base::Files& files;
  std::string path;               // For SQLite and for people.
  std::unique_ptr<Vfs> vfs;       // Null: SQLite's own.
  bool read_only = false;         //
  bool must_exist = false;        //
  bool immutable = false;         // Nobody writes it meanwhile: no lock, no log, no file beside it is needed or made.
  base::Duration busy_timeout{};  //
  std::string synchronous;        // off, normal, full or extra.
  std::unique_ptr<Generations> generations;
};

}  // namespace tidelock::sql::sqlite
