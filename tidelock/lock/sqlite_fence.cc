// Fencing in SQLite: a writer excludes all others from its begin on, so that what it reads stays true until it commits.
#include <array>

#include "tidelock/lock/fence_statements.h"

namespace tidelock::lock {
namespace {

constexpr std::array<std::string_view, 1> kSqliteFenceSteps = {
    "create table tidelock_fence (resource text primary key not null, token integer not null) without rowid",
};

}  // namespace

const FenceStatements kSqliteFence = {
    .schema = {.room = "fence", .steps = kSqliteFenceSteps},
    .find_table = "select 1 from sqlite_schema where type = 'table' and name = 'tidelock_fence'",
    .find_token = "select token from tidelock_fence where resource = ?",
    .insert_token = "insert into tidelock_fence (resource, token) values (?, ?)",
    .advance_token = "update tidelock_fence set token = ? where resource = ?",
    .hold_token = "",
};

}  // namespace tidelock::lock
