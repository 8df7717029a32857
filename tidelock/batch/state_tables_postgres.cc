// The tables of this room in PostgreSQL.
#include "tidelock/batch/state_tables.h"

namespace tidelock::batch {
namespace {

constexpr std::string_view kPostgresSteps[] = {
    R"sql(
create table tidelock_run (
  id bigint generated always as identity primary key,
  uuid text not null unique,
  once_key text unique,
  job text not null,
  status text not null,
  cause text not null,
  caused_by text not null,
  scheduled_us bigint not null,
  queued_us bigint not null,
  started_us bigint,
  ended_us bigint,
  executions bigint not null default 0,
  reason text not null default '',
  owner text not null default '',
  host text not null default '',
  pid bigint not null default 0,
  token bigint not null default 0,
  slot_key text not null default '',
  slot_claim text not null default '',
  waited_us bigint,
  stop_requested bigint not null default 0,
  checkpoints bigint not null default 0
);
create index tidelock_run_job on tidelock_run (job, scheduled_us);
create index tidelock_run_open on tidelock_run (status) where status in ('queued', 'waiting', 'running', 'interrupted');

create table tidelock_step (
  run bigint not null,
  place bigint not null,
  name text not null,
  kind text not null,
  status text not null,
  attempts bigint not null default 0,
  rows_read bigint not null default 0,
  rows_written bigint not null default 0,
  rows_skipped bigint not null default 0,
  rows_passed_over bigint not null default 0,
  commits bigint not null default 0,
  rollbacks bigint not null default 0,
  started_us bigint,
  ended_us bigint,
  error text not null default '',
  primary key (run, place)
);

create table tidelock_skip (
  run bigint not null,
  step bigint not null,
  position bigint not null,
  place text not null,
  record text not null,
  error text not null,
  primary key (run, step, position)
);

create table tidelock_event (
  id bigint generated always as identity primary key,
  run bigint not null,
  step text not null,
  at_us bigint not null,
  level text not null,
  text text not null
);
create index tidelock_event_run on tidelock_event (run);

create table tidelock_schedule (
  job text primary key not null,
  decided_us bigint not null
);
)sql",
};

}  // namespace

const sql::EngineSteps kPostgresStateTables{"postgres", kPostgresSteps};

}  // namespace tidelock::batch
