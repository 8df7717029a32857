// What is asked of the tables of locks in SQLite.
#pragma once

#include <string_view>

#include "tidelock/sql/schema.h"

namespace tidelock::lock {

// Times: `boot` and expires_boot_ns are a boot of a machine and its boot clock; since_us is the wall clock.
struct SqliteStatements {
  sql::Schema schema;

  std::string_view leases_of_key;   // (key) → claim, owner, permits, boot, expires_boot_ns, token
  std::string_view waiters_of_key;  // (key) → claim, owner, permits, boot, expires_boot_ns, presence; in order
  std::string_view lease;           // (key, claim) → owner, token, boot, expires_boot_ns
  std::string_view waiter;          // (key, claim) → owner

  std::string_view raise_token;   // (key, wall clock in µs): the next one
  std::string_view token;         // (key) → token
  std::string_view insert_lease;  // key, claim, owner, host, pid, token, permits, since_us, boot, expires_boot_ns
  std::string_view renew_lease;   // (owner, expires_boot_ns, key, claim)
  std::string_view delete_lease;  // (key, claim)

  // key, claim, owner, host, pid, permits, since_us, boot, expires_boot_ns, presence
  std::string_view insert_waiter;
  std::string_view refresh_waiter;  // (owner, expires_boot_ns, presence, key, claim)
  std::string_view delete_waiter;   // (key, claim)

  // Of one key: (key, boot, now in boot ns). Of all: (boot, now in boot ns).
  std::string_view sweep_leases_of_key;
  std::string_view sweep_waiters_of_key;
  std::string_view sweep_leases;
  std::string_view sweep_waiters;
  // Some keys behind one, in their order: (token, key) → the last of them, or null; 1 when some of them are idle.
  std::string_view some_keys;
  // Of the keys behind one and up to another: (key, key, token). The idle ones, which have no lease and a last token
  // below that, are forgotten; the highest of their tokens is kept for all.
  std::string_view raise_token_floor;
  std::string_view forget_keys;

  // key, claim, owner, host, pid, permits, since_us, boot, expires_boot_ns, and token or presence
  std::string_view all_leases;   // By key and token.
  std::string_view all_waiters;  // By key and place.
};

extern const SqliteStatements kSqliteStatements;

}  // namespace tidelock::lock
