// The tables of this room in SQLite.
#include "tidelock/batch/state_tables.h"

namespace tidelock::batch {
namespace {

constexpr std::string_view kSqliteSteps[] = {
    R"sql(
create table tidelock_run (
  id integer primary key autoincrement,
  uuid text not null unique,
  key text unique,
  job text not null,
  status text not null,
  cause text not null,
  caused_by text not null,
  scheduled_us integer not null,
  queued_us integer not null,
  started_us integer,
  ended_us integer,
  executions integer not null default 0,
  reason text not null default '',
  owner text not null default '',
  host text not null default '',
  pid integer not null default 0,
  token integer not null default 0,
  slot_key text not null default '',
  slot_claim text not null default '',
  waited_us integer,
  stop_requested integer not null default 0,
  checkpoints integer not null default 0
);
create index tidelock_run_job on tidelock_run (job, scheduled_us);
create index tidelock_run_open on tidelock_run (status) where status in ('queued', 'waiting', 'running', 'interrupted');

create table tidelock_step (
  run integer not null,
  place integer not null,
  name text not null,
  kind text not null,
  status text not null,
  attempts integer not null default 0,
  rows_read integer not null default 0,
  rows_written integer not null default 0,
  rows_skipped integer not null default 0,
  rows_passed_over integer not null default 0,
  commits integer not null default 0,
  rollbacks integer not null default 0,
  started_us integer,
  ended_us integer,
  error text not null default '',
  primary key (run, place)
) without rowid;

create table tidelock_skip (
  run integer not null,
  step integer not null,
  position integer not null,
  place text not null,
  record text not null,
  error text not null,
  primary key (run, step, position)
) without rowid;

create table tidelock_event (
  id integer primary key autoincrement,
  run integer not null,
  step text not null,
  at_us integer not null,
  level text not null,
  text text not null
);
create index tidelock_event_run on tidelock_event (run);

create table tidelock_schedule (
  job text primary key not null,
  decided_us integer not null
) without rowid;
)sql",
    // A word that other engines keep for themselves.
    "alter table tidelock_run rename column key to once_key",
};

}  // namespace

const sql::EngineSteps kSqliteStateTables{"sqlite", kSqliteSteps};

}  // namespace tidelock::batch
