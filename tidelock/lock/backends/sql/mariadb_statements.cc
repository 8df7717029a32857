// The tables of locks in MariaDB, and all that is asked of them. docs/schema.md describes the columns.
#if TIDELOCK_HAVE_MARIADB
#include <array>

#include "tidelock/lock/backends/sql/server_statements.h"

namespace tidelock::lock {
namespace {

// A claim is text: the server's own type refuses some UUIDs. Keys are compared byte by byte, also the spaces at their
// ends. Each statement is committed by itself: it does no harm to run them again. The row of the floor is there from
// the start: who reads it would lock the gap without it.
constexpr std::array<std::string_view, 1> kMariadbSteps = {R"sql(
create table if not exists tidelock_lock (
  `key` varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin primary key,
  token bigint not null,
  crowded boolean not null default false,
  claim char(36) character set ascii collate ascii_bin,
  owner varchar(1024) character set utf8mb4 collate utf8mb4_nopad_bin,
  host varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin,
  pid bigint,
  permits bigint,
  since_us bigint,
  expires_us bigint
) engine = innodb;

create table if not exists tidelock_lease (
  `key` varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
  claim char(36) character set ascii collate ascii_bin not null,
  owner varchar(1024) character set utf8mb4 collate utf8mb4_nopad_bin not null,
  host varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
  pid bigint not null,
  token bigint not null,
  permits bigint not null,
  since_us bigint not null,
  expires_us bigint not null,
  primary key (`key`, claim)
) engine = innodb;

create table if not exists tidelock_waiter (
  place bigint not null auto_increment,
  `key` varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
  claim char(36) character set ascii collate ascii_bin not null,
  owner varchar(1024) character set utf8mb4 collate utf8mb4_nopad_bin not null,
  host varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin not null,
  pid bigint not null,
  permits bigint not null,
  since_us bigint not null,
  expires_us bigint not null,
  primary key (`key`, claim),
  unique (place)
) engine = innodb;

insert ignore into tidelock_lock (`key`, token) values ('', 0);
)sql"};

}  // namespace

const ServerStatements kMariadbStatements = {
    .schema = {.room = "lock", .steps = kMariadbSteps},
    .now = "timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', utc_timestamp(6))",
    .writable = "cast(@@global.read_only as char) in ('0', 'OFF')",  // A number, or a word from 12.0 on.

    // Assignments are made from left to right, and each sees those before it: since_us says whether the claim had the
    // key already.
    .quick_grant =
        "insert into tidelock_lock (`key`, token, claim, owner, host, pid, permits, since_us, expires_us) "
        "select k.a, greatest(k.t, 1 + coalesce((select f.token from tidelock_lock as f where f.`key` = ''), 0)), "
        "k.b, k.c, k.d, k.e, k.f, k.t, k.t + k.g "
        "from (select ? as a, ? as b, ? as c, ? as d, ? as e, ? as f, ? as g, {now} as t) as k where {writable} "
        "on duplicate key update "
        "token = if(crowded or (claim is not null and expires_us > values(since_us)), token, "
        "greatest(token + 1, values(token))), "
        "since_us = if(crowded or (claim is not null and expires_us > values(since_us)), since_us, values(since_us)), "
        "claim = if(crowded or (claim <> values(claim) and expires_us > values(since_us)), claim, values(claim)), "
        "owner = if(claim = values(claim), values(owner), owner), "
        "host = if(claim = values(claim), values(host), host), "
        "pid = if(claim = values(claim), values(pid), pid), "
        "permits = if(claim = values(claim), values(permits), permits), "
        "expires_us = if(claim <> values(claim), expires_us, if(since_us = values(since_us), values(expires_us), "
        "greatest(expires_us, values(expires_us)))) "
        "returning token, claim",
    .quick_extend =
        "update tidelock_lock set expires_us = greatest(expires_us, {now} + ?) where `key` = ? and claim = ? and not "
        "crowded "
        "and expires_us > {now} and token = coalesce(?, token) "
        "and (owner = ? or instr(owner, concat(?, '/')) = 1) and {writable}",
    .quick_drop =
        "update tidelock_lock set claim = null where `key` = ? and claim = ? and not crowded and {writable} "
        "and token = coalesce(?, token) and (owner = ? or instr(owner, concat(?, '/')) = 1)",

    .lock_key = "select {now}, crowded, token, {writable} from tidelock_lock where `key` = ? for update",
    .insert_key =
        "insert ignore into tidelock_lock (`key`, token) "
        "select ?, coalesce((select f.token from tidelock_lock as f where f.`key` = ''), 0)",
    .move_holder =
        "insert into tidelock_lease (`key`, claim, owner, host, pid, token, permits, since_us, expires_us) "
        "select `key`, claim, owner, host, pid, token, permits, since_us, expires_us from tidelock_lock "
        "where `key` = ? and claim is not null",
    .set_crowded = "update tidelock_lock set crowded = true, claim = null where `key` = ?",
    .set_quiet =
        "update tidelock_lock set crowded = false where `key` = ? "
        "and not exists (select 1 from tidelock_lease where `key` = ?) "
        "and not exists (select 1 from tidelock_waiter where `key` = ?)",
    .notify = "",

    .rows_of_key =
        "select 0 as role, claim, owner, permits, expires_us, token, 0 as place, {now} from tidelock_lock "
        "where `key` = ? and claim is not null and not crowded union all "
        "select 0, claim, owner, permits, expires_us, token, 0, {now} from tidelock_lease where `key` = ? union all "
        "select 1, claim, owner, permits, expires_us, 0, place, {now} from tidelock_waiter where `key` = ? "
        "order by role, place",
    .lease = "select owner, token, expires_us from tidelock_lease where `key` = ? and claim = ?",
    .waiter = "select owner from tidelock_waiter where `key` = ? and claim = ?",

    .set_token = "update tidelock_lock set token = ? where `key` = ?",
    .set_holder =
        "update tidelock_lock set token = ?, claim = ?, owner = ?, host = ?, pid = ?, permits = ?, since_us = ?, "
        "expires_us = ?, crowded = false where `key` = ?",
    .insert_lease =
        "insert into tidelock_lease (`key`, claim, owner, host, pid, token, permits, since_us, expires_us) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    .extend_lease =
        "update tidelock_lease set owner = ?, expires_us = greatest(expires_us, ?) where `key` = ? and claim = ?",
    .delete_lease = "delete from tidelock_lease where `key` = ? and claim = ?",
    .insert_waiter =
        "insert into tidelock_waiter (`key`, claim, owner, host, pid, permits, since_us, expires_us) "
        "values (?, ?, ?, ?, ?, ?, ?, ?)",
    .refresh_waiter = "update tidelock_waiter set owner = ?, expires_us = ? where `key` = ? and claim = ?",
    .delete_waiter = "delete from tidelock_waiter where `key` = ? and claim = ?",
    .sweep_leases_of_key = "delete from tidelock_lease where `key` = ? and expires_us <= ?",
    .sweep_waiters_of_key = "delete from tidelock_waiter where `key` = ? and expires_us <= ?",

    .claims =
        "select 0 as role, `key`, claim, owner, host, pid, permits, since_us, expires_us, token, 0 as place, {now} "
        "from tidelock_lock where {of_key} and claim is not null and not crowded and expires_us > {now} union all "
        "select 0, `key`, claim, owner, host, pid, permits, since_us, expires_us, token, token, {now} "
        "from tidelock_lease where {of_key} union all "
        "select 1, `key`, claim, owner, host, pid, permits, since_us, expires_us, 0, place, {now} from tidelock_waiter "
        "where {of_key} order by role, place",
    .of_key = "`key` = ?",

    .sweep_leases = "delete from tidelock_lease where expires_us <= {now}",
    .sweep_waiters = "delete from tidelock_waiter where expires_us <= {now}",
    .some_keys =
        "select max(`key`), max(case when not crowded and (claim is null or expires_us <= {now}) and token < {now} - ? "
        "then 1 else 0 end), max(case when crowded and token < {now} - ? then 1 else 0 end) from "
        "(select `key`, crowded, claim, expires_us, token from tidelock_lock where `key` > ? order by `key` limit "
        "1000) as s",
    .left_keys =
        "select `key` from tidelock_lock as l where crowded and token < {now} - ? and `key` > ? and `key` <= ? "
        "and not exists (select 1 from tidelock_lease where `key` = l.`key`) "
        "and not exists (select 1 from tidelock_waiter where `key` = l.`key`)",
    .raise_floor =
        "insert into tidelock_lock (`key`, token) values ('', {now} - ?) "
        "on duplicate key update token = greatest(token, values(token)) returning token",
    .forget_keys =
        "delete from tidelock_lock where not crowded and (claim is null or expires_us <= {now}) and token < ? "
        "and `key` > ? and `key` <= ?",
};

}  // namespace tidelock::lock
#endif
