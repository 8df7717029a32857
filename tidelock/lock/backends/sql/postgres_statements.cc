// The tables of locks in PostgreSQL, and all that is asked of them. docs/schema.md describes the columns.
#if TIDELOCK_HAVE_POSTGRES
#include <array>

#include "tidelock/lock/backends/sql/server_statements.h"

namespace tidelock::lock {
namespace {

// No name but that of a function or a table stands before a parenthesis: a session that may have called something
// unknown would be reset after each lease. Rows of tidelock_lock change in place: no index is on what changes, and
// there is room on their pages.
constexpr std::array<std::string_view, 1> kPostgresSteps = {R"sql(
create table tidelock_lock (
  key text collate "C" primary key,
  token bigint not null,
  crowded boolean not null default false,
  claim uuid,
  owner text,
  host text,
  pid bigint,
  permits bigint,
  since_us bigint,
  expires_us bigint
) with (fillfactor = 50);

create table tidelock_lease (
  key text collate "C" not null,
  claim uuid not null,
  owner text not null,
  host text not null,
  pid bigint not null,
  token bigint not null,
  permits bigint not null,
  since_us bigint not null,
  expires_us bigint not null,
  primary key (key, claim)
);

create table tidelock_waiter (
  place bigint generated always as identity,
  key text collate "C" not null,
  claim uuid not null,
  owner text not null,
  host text not null,
  pid bigint not null,
  permits bigint not null,
  since_us bigint not null,
  expires_us bigint not null,
  primary key (key, claim)
);
)sql"};

}  // namespace

const ServerStatements kPostgresStatements = {
    .schema = {.room = "lock", .steps = kPostgresSteps},
    .now = "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
    .writable = "true",  // A standby refuses all writes.

    .quick_grant =
        "insert into tidelock_lock (key, token, claim, owner, host, pid, permits, since_us, expires_us) "
        "select k.key, greatest(k.now_us, 1 + coalesce((select f.token from tidelock_lock as f where f.key = ''), 0)), "
        "k.claim, k.owner, k.host, k.pid, k.permits, k.now_us, k.now_us + k.ttl_us "
        "from (select ?::text as key, ?::uuid as claim, ?::text as owner, ?::text as host, ?::bigint as pid, "
        "?::bigint as permits, ?::bigint as ttl_us, {now} as now_us) as k "
        "on conflict (key) do update set "
        "token = case when tidelock_lock.claim = excluded.claim and tidelock_lock.expires_us > excluded.since_us "
        "then tidelock_lock.token else greatest(tidelock_lock.token + 1, excluded.token) end, "
        "since_us = case when tidelock_lock.claim = excluded.claim and tidelock_lock.expires_us > excluded.since_us "
        "then tidelock_lock.since_us else excluded.since_us end, "
        "claim = excluded.claim, owner = excluded.owner, host = excluded.host, pid = excluded.pid, "
        "permits = excluded.permits, "
        "expires_us = case when tidelock_lock.claim = excluded.claim and tidelock_lock.expires_us > excluded.since_us "
        "then greatest(tidelock_lock.expires_us, excluded.expires_us) else excluded.expires_us end "
        "where not tidelock_lock.crowded and (tidelock_lock.claim is null or tidelock_lock.claim = excluded.claim "
        "or tidelock_lock.expires_us <= excluded.since_us) "
        "returning token, claim",
    .quick_extend =
        "update tidelock_lock set expires_us = greatest(expires_us, {now} + ?) where key = ? and claim = ? "
        "and not crowded and expires_us > {now} and token = coalesce(?, token) and (owner = ? or starts_with(owner, "
        "?::text || '/'))",
    .quick_drop =
        "update tidelock_lock set claim = null where key = ? and claim = ? and not crowded "
        "and token = coalesce(?, token) and (owner = ? or starts_with(owner, ?::text || '/'))",

    .lock_key = "select {now}, crowded, token, {writable} from tidelock_lock where key = ? for update",
    .insert_key =
        "insert into tidelock_lock (key, token) "
        "values (?, coalesce((select f.token from tidelock_lock as f where f.key = ''), 0)) on conflict do nothing",
    .move_holder =
        "insert into tidelock_lease (key, claim, owner, host, pid, token, permits, since_us, expires_us) "
        "select key, claim, owner, host, pid, token, permits, since_us, expires_us from tidelock_lock "
        "where key = ? and claim is not null",
    .set_crowded = "update tidelock_lock set crowded = true, claim = null where key = ?",
    .set_quiet =
        "update tidelock_lock set crowded = false where key = ? "
        "and not exists (select 1 from tidelock_lease where key = ?) "
        "and not exists (select 1 from tidelock_waiter where key = ?)",
    .notify = "select pg_notify('tidelock_lock', key) from tidelock_waiter where key = ? limit 1",

    .rows_of_key =
        "select 0 as role, claim, owner, permits, expires_us, token, 0 as place, {now} from tidelock_lock "
        "where key = ? and claim is not null and not crowded union all "
        "select 0, claim, owner, permits, expires_us, token, 0, {now} from tidelock_lease where key = ? union all "
        "select 1, claim, owner, permits, expires_us, 0, place, {now} from tidelock_waiter where key = ? "
        "order by role, place",
    .lease = "select owner, token, expires_us from tidelock_lease where key = ? and claim = ?",
    .waiter = "select owner from tidelock_waiter where key = ? and claim = ?",

    .set_token = "update tidelock_lock set token = ? where key = ?",
    .set_holder =
        "update tidelock_lock set token = ?, claim = ?, owner = ?, host = ?, pid = ?, permits = ?, since_us = ?, "
        "expires_us = ?, crowded = false where key = ?",
    .insert_lease =
        "insert into tidelock_lease (key, claim, owner, host, pid, token, permits, since_us, expires_us) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    .extend_lease =
        "update tidelock_lease set owner = ?, expires_us = greatest(expires_us, ?) where key = ? and claim = ?",
    .delete_lease = "delete from tidelock_lease where key = ? and claim = ?",
    .insert_waiter =
        "insert into tidelock_waiter (key, claim, owner, host, pid, permits, since_us, expires_us) "
        "values (?, ?, ?, ?, ?, ?, ?, ?)",
    .refresh_waiter = "update tidelock_waiter set owner = ?, expires_us = ? where key = ? and claim = ?",
    .delete_waiter = "delete from tidelock_waiter where key = ? and claim = ?",
    .sweep_leases_of_key = "delete from tidelock_lease where key = ? and expires_us <= ?",
    .sweep_waiters_of_key = "delete from tidelock_waiter where key = ? and expires_us <= ?",

    .claims =
        "select 0 as role, key, claim, owner, host, pid, permits, since_us, expires_us, token, 0 as place, {now} "
        "from tidelock_lock where {of_key} and claim is not null and not crowded and expires_us > {now} union all "
        "select 0, key, claim, owner, host, pid, permits, since_us, expires_us, token, token, {now} "
        "from tidelock_lease where {of_key} union all "
        "select 1, key, claim, owner, host, pid, permits, since_us, expires_us, 0, place, {now} from tidelock_waiter "
        "where {of_key} order by role, place",
    .of_key = "key = ?",

    .sweep_leases = "delete from tidelock_lease where expires_us <= {now}",
    .sweep_waiters = "delete from tidelock_waiter where expires_us <= {now}",
    .some_keys =
        "select max(key), max(case when not crowded and (claim is null or expires_us <= {now}) and token < {now} - ? "
        "then 1 else 0 end), max(case when crowded and token < {now} - ? then 1 else 0 end) from "
        "(select key, crowded, claim, expires_us, token from tidelock_lock where key > ? order by key limit 1000) as s",
    .left_keys =
        "select key from tidelock_lock as l where crowded and token < {now} - ? and key > ? and key <= ? "
        "and not exists (select 1 from tidelock_lease where key = l.key) "
        "and not exists (select 1 from tidelock_waiter where key = l.key)",
    .raise_floor =
        "insert into tidelock_lock (key, token) values ('', {now} - ?) "
        "on conflict (key) do update set token = greatest(tidelock_lock.token, excluded.token) returning token",
    .forget_keys =
        "delete from tidelock_lock where not crowded and (claim is null or expires_us <= {now}) and token < ? "
        "and key > ? and key <= ?",
};

}  // namespace tidelock::lock
#endif
