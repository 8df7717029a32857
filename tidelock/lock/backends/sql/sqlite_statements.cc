// The tables of locks in SQLite, and all that is asked of them. docs/schema.md describes the columns.
#include "tidelock/lock/backends/sql/sqlite_statements.h"

#include <array>

namespace tidelock::lock {
namespace {

constexpr std::array<std::string_view, 2> kSqliteSteps = {
    R"sql(
create table tidelock_lock (
  key text primary key not null,
  token integer not null
) without rowid;

create table tidelock_lease (
  key text not null,
  claim text not null,
  owner text not null,
  host text not null,
  pid integer not null,
  token integer not null,
  permits integer not null,
  since_us integer not null,
  boot text not null,
  expires_boot_ns integer not null,
  primary key (key, claim)
) without rowid;

create table tidelock_waiter (
  place integer primary key autoincrement,
  key text not null,
  claim text not null,
  owner text not null,
  host text not null,
  pid integer not null,
  permits integer not null,
  since_us integer not null,
  boot text not null,
  expires_boot_ns integer not null,
  unique (key, claim)
);
)sql",
    "alter table tidelock_waiter add column presence integer not null default 0",
};

}  // namespace

const SqliteStatements kSqliteStatements = {
    .schema = {.room = "lock", .steps = kSqliteSteps},

    .leases_of_key = "select claim, owner, permits, boot, expires_boot_ns, token from tidelock_lease where key = ?",
    .waiters_of_key =
        "select claim, owner, permits, boot, expires_boot_ns, presence from tidelock_waiter where key = ? order by "
        "place",
    .lease = "select owner, token, boot, expires_boot_ns from tidelock_lease where key = ? and claim = ?",
    .waiter = "select owner from tidelock_waiter where key = ? and claim = ?",

    // Without a `returning`, for which SQLite makes a temporary table each time.
    .raise_token =
        "insert into tidelock_lock (key, token) "
        "values (?, max(?, 1 + coalesce((select token from tidelock_lock where key = ''), 0))) "
        "on conflict (key) do update set token = max(token + 1, excluded.token)",
    .token = "select token from tidelock_lock where key = ?",
    .insert_lease =
        "insert into tidelock_lease (key, claim, owner, host, pid, token, permits, since_us, boot, expires_boot_ns) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    .renew_lease =
        "update tidelock_lease set owner = ?, expires_boot_ns = max(expires_boot_ns, ?) where key = ? and claim = ?",
    .delete_lease = "delete from tidelock_lease where key = ? and claim = ?",

    .insert_waiter =
        "insert into tidelock_waiter (key, claim, owner, host, pid, permits, since_us, boot, expires_boot_ns, "
        "presence) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    .refresh_waiter =
        "update tidelock_waiter set owner = ?, expires_boot_ns = ?, presence = ? where key = ? and claim = ?",
    .delete_waiter = "delete from tidelock_waiter where key = ? and claim = ?",

    .sweep_leases_of_key = "delete from tidelock_lease where key = ? and (boot <> ? or expires_boot_ns <= ?)",
    .sweep_waiters_of_key = "delete from tidelock_waiter where key = ? and (boot <> ? or expires_boot_ns <= ?)",
    .sweep_leases = "delete from tidelock_lease where boot <> ? or expires_boot_ns <= ?",
    .sweep_waiters = "delete from tidelock_waiter where boot <> ? or expires_boot_ns <= ?",
    .some_keys =
        "select max(key), max(idle) from (select key, token < ? "
        "and not exists (select 1 from tidelock_lease where key = some.key) as idle "
        "from tidelock_lock as some where key > ? order by key limit 1000)",
    .raise_token_floor =
        "insert into tidelock_lock (key, token) "
        "select '', max(token) from tidelock_lock as idle where key > ? and key <= ? and token < ? "
        "and not exists (select 1 from tidelock_lease where key = idle.key) having max(token) is not null "
        "on conflict (key) do update set token = max(token, excluded.token)",
    .forget_keys =
        "delete from tidelock_lock where key > ? and key <= ? and token < ? "
        "and not exists (select 1 from tidelock_lease where key = tidelock_lock.key)",

    .all_leases =
        "select key, claim, owner, host, pid, permits, since_us, boot, expires_boot_ns, token from tidelock_lease "
        "order by key, token",
    .all_waiters =
        "select key, claim, owner, host, pid, permits, since_us, boot, expires_boot_ns, presence from tidelock_waiter "
        "order by key, place",
};

}  // namespace tidelock::lock
