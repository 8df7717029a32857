// Makes versions of a live master file that any process can open and read, while the master is being written.
//
//   replica::Publisher publisher(runtime, files, *locks, {.master = "market.duckdb", .folder = "replica"});
//   publisher.publish(database.get());  // The Database of this process that has the master open; none: publish().
//
// In the folder: versions/0000000042.db, its manifest versions/0000000042.json, and the relative symlink current.db,
// which is the only commit point: whoever opens it sees a complete version, before and after a crash at any moment.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/lock/backend.h"
#include "tidelock/replica/copier.h"
#include "tidelock/replica/manifest.h"
#include "tidelock/sql/database.h"

namespace tidelock::replica {

struct PublisherOptions {
  base::Path master;  // A DuckDB or SQLite file; its first bytes tell which.
  base::Path folder;  // Made when missing. What Tidelock did not make in it is left alone.
  // Versions that stay, the newest included; at least 1. One that was replaced stays for two seconds whatever this
  // says.
  std::size_t keep = 3;
  // With other publishers, and with a master that does not stand still.
  base::Duration patience = std::chrono::seconds(60);
  // The program that copies and checks, in processes of its own. Empty: this executable when it is `tidelock`, else
  // `tidelock` beside it, else the one on the PATH.
  base::Path program{};
};

// Thread-safe; one publication into a folder at a time, under the lease `replica/<folder>`. Borrows all that it is
// given.
class Publisher {
 public:
  // Error: invalid_argument.
  Publisher(base::Runtime& runtime, base::Files& files, lock::Backend& locks, PublisherOptions options);
  // With another way to copy and check than the program: borrowed.
  Publisher(base::Runtime& runtime, base::Files& files, lock::Backend& locks, PublisherOptions options, Copier& copier);
  ~Publisher();

  // Copies the master, checks the copy, and makes it the current version; returns what it published. Everything
  // committed before the call is in it; while it runs, others read and write the master.
  //
  // `owner`: the Database of this process that has a DuckDB master open; it is told to write a checkpoint, and no other
  // until the copy is made. Without it the file is copied as the process that owns it left it at its last checkpoint,
  // and Manifest::left_out_bytes says what that lacks. An SQLite master needs no owner: everything committed is in.
  //
  // After an error the folder holds what it held, but for unknown_outcome: the new version is current, and whether a
  // power cut takes it away is not known. Errors: invalid_argument (the master lies in the folder, or its path is not
  // UTF-8), not_found, not_a_database, corrupt, newer_schema (the master, or the copy did not pass its check);
  // unsupported (a master with a log and no process that owns it: open it once with what writes it); timeout (another
  // publisher, or a master that changes faster than it can be copied); unavailable (the master was replaced meanwhile);
  // lease_lost, fenced (another publisher took over: nothing was committed); disk_full; cancelled; database_locked
  // (SQLite).
  Manifest publish(sql::Database* owner = nullptr, const std::stop_token& stop = {});

  const PublisherOptions& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidelock::replica
