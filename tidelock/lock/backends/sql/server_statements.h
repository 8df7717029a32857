// What is asked of the tables of locks on a server. A further engine is one more file of these.
//
// A key is *quiet* while at most one claim holds it and nobody waits: then its row in tidelock_lock says all about it,
// and one statement acquires, renews or releases. Else it is *crowded*, and its holders and waiters are rows of their
// own, which only a transaction touches that has locked the key's row.
#pragma once

#include <string_view>

#include "tidelock/sql/schema.h"

namespace tidelock::lock {

// Times are microseconds since 1970 in UTC by the server's clock, read while the statement runs or before: an early
// reading frees nothing too soon, and makes leases shorter, never longer. As it may be written after a later one, what
// a claim has is never made to expire sooner. {now} stands for the clock, {writable} for what says that the server
// is not kept read-only, where it lets some write all the same: a session outlives a demotion there.
struct ServerStatements {
  sql::Schema schema;
  std::string_view now;       // The clock.
  std::string_view writable;  // Whether the server may be written, as a primary may.

  // (key, claim, owner, host, pid, permits, ttl) → token, claim. Not granted: no row, or another claim.
  std::string_view quick_grant;
  std::string_view quick_extend;  // (ttl, key, claim, token or null, owner, owner) → a row changed, when it was so.
  std::string_view quick_drop;    // (key, claim, token or null, owner, owner) → the same.

  std::string_view lock_key;    // (key) → now, crowded, token, writable; none without such a key.
  std::string_view insert_key;  // (key); does nothing when there is one.
  // Makes the key crowded: what its row says of a holder becomes a row of its own.
  std::string_view move_holder;  // (key)
  std::string_view set_crowded;  // (key)
  std::string_view set_quiet;    // (key, key, key) → a row changed, when there are no rows of this key.
  std::string_view notify;       // (key): tells the waiters, if there are any. Empty: nobody can be told.

  // (key, key, key) → role (0: holder, 1: waiter), claim, owner, permits, expires, token, place, now; in order.
  std::string_view rows_of_key;
  std::string_view lease;   // (key, claim) → owner, token, expires
  std::string_view waiter;  // (key, claim) → owner

  // Of a key that is locked.
  std::string_view set_token;       // (token, key)
  std::string_view set_holder;      // (token, claim, owner, host, pid, permits, since, expires, key); it is quiet then
  std::string_view insert_lease;    // (key, claim, owner, host, pid, token, permits, since, expires)
  std::string_view extend_lease;    // (owner, expires, key, claim)
  std::string_view delete_lease;    // (key, claim)
  std::string_view insert_waiter;   // (key, claim, owner, host, pid, permits, since, expires)
  std::string_view refresh_waiter;  // (owner, expires, key, claim)
  std::string_view delete_waiter;   // (key, claim)
  std::string_view sweep_leases_of_key;   // (key, now)
  std::string_view sweep_waiters_of_key;  // (key, now)

  // → role, key, claim, owner, host, pid, permits, since, expires, token, place, now; waiters in order. {of_key} stands
  // for what chooses the rows: all of them (), or those of one key (key, key, key).
  std::string_view claims;
  std::string_view of_key;  // (key)

  std::string_view sweep_leases;   // ()
  std::string_view sweep_waiters;  // ()
  // Of some keys behind one, in their order, without a lock: (age, age, key) → the last of them, or null; 1 when some
  // of them may be forgotten; 1 when some may be left as crowded. Age: for how long they gave no token.
  std::string_view some_keys;
  std::string_view left_keys;    // (age, after, last) → keys that are crowded, have no rows, and gave no token lately
  std::string_view raise_floor;  // (age) → token: each later one of a key that is made anew is above
  std::string_view forget_keys;  // (token, after, last): those that are quiet and free, and gave no token since
};

#if TIDELOCK_HAVE_POSTGRES
extern const ServerStatements kPostgresStatements;
#endif
#if TIDELOCK_HAVE_MARIADB
extern const ServerStatements kMariadbStatements;
#endif

}  // namespace tidelock::lock
