// The tables of this room in MariaDB. Each statement is committed by itself, so that each can run again; names
// are compared byte by byte.
#include "tidelock/batch/state_tables.h"

namespace tidelock::batch {
namespace {

constexpr std::string_view kMariadbSteps[] = {
    R"sql(
create table if not exists tidelock_run (
  id bigint auto_increment primary key,
  uuid varchar(36) not null unique,
  once_key varchar(255) unique,
  job varchar(200) not null,
  status varchar(32) not null,
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
  slot_claim varchar(36) not null default '',
  waited_us bigint,
  stop_requested bigint not null default 0,
  checkpoints bigint not null default 0
) engine = InnoDB, character set utf8mb4, collate utf8mb4_nopad_bin;
create index if not exists tidelock_run_job on tidelock_run (job, scheduled_us);
create index if not exists tidelock_run_open on tidelock_run (status);

create table if not exists tidelock_step (
  run bigint not null,
  place bigint not null,
  name text not null,
  kind text not null,
  status varchar(32) not null,
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
) engine = InnoDB, character set utf8mb4, collate utf8mb4_nopad_bin;

create table if not exists tidelock_skip (
  run bigint not null,
  step bigint not null,
  position bigint not null,
  place text not null,
  record text not null,
  error text not null,
  primary key (run, step, position)
) engine = InnoDB, character set utf8mb4, collate utf8mb4_nopad_bin;

create table if not exists tidelock_event (
  id bigint auto_increment primary key,
  run bigint not null,
  step text not null,
  at_us bigint not null,
  level text not null,
  text text not null
) engine = InnoDB, character set utf8mb4, collate utf8mb4_nopad_bin;
create index if not exists tidelock_event_run on tidelock_event (run);

create table if not exists tidelock_schedule (
  job varchar(200) primary key not null,
  decided_us bigint not null
) engine = InnoDB, character set utf8mb4, collate utf8mb4_nopad_bin;
)sql",
};

}  // namespace

const sql::EngineSteps kMariadbStateTables{"mariadb", kMariadbSteps};

}  // namespace tidelock::batch
