#include "tidelock/broker/backends/sqlite/schema.h"

#include <array>
#include <chrono>
#include <string_view>

#include "tidelock/sql/schema.h"

namespace tidelock::broker::sqlite {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);

// `offset` is a keyword of SQL: the column is called position.
constexpr std::array<std::string_view, 1> kSteps = {
    R"sql(
create table tidelock_topic (
  id integer primary key,
  name text not null unique,
  partitions integer not null,
  retention_us integer not null
);
create table tidelock_partition (
  topic integer not null references tidelock_topic (id),
  part integer not null,
  next_position integer not null,
  primary key (topic, part)
) without rowid;
create table tidelock_message (
  topic integer not null,
  part integer not null,
  position integer not null,
  message_key text not null,
  payload blob not null,
  headers json_text,
  published_us integer not null,
  primary key (topic, part, position)
) without rowid;
create table tidelock_consumer_group (
  name text primary key,
  generation integer not null
) without rowid;
create table tidelock_consumer_member (
  group_name text not null,
  member text not null,
  topic integer not null,
  joined integer not null,
  owner text not null,
  host text not null,
  pid integer not null,
  boot_id text not null,
  expires_ns integer not null,
  primary key (group_name, member, topic)
) without rowid;
create table tidelock_consumer_partition (
  group_name text not null,
  topic integer not null,
  part integer not null,
  committed integer,
  member text,
  primary key (group_name, topic, part)
) without rowid;
)sql",
};

}  // namespace

void prepare_schema(sql::Database& database) {
  sql::migrate(database, {.room = "broker", .steps = kSteps}, database.runtime().in(kPatience));
}

}  // namespace tidelock::broker::sqlite
