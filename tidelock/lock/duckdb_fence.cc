// Fencing in DuckDB, whose transactions read a snapshot and conflict only when both change a row. So a transaction with
// the last token counts in one of the resource's rows, its slot, and one with a newer token changes all of them:
// whichever commits second fails. A count is needed because an update to the same value is no change to DuckDB.
#include <array>

#include "tidelock/lock/fence_statements.h"

namespace tidelock::lock {
namespace {

constexpr std::array<std::string_view, 1> kDuckdbFenceSteps = {
    "create table tidelock_fence (resource varchar not null, slot bigint not null, token bigint not null, "
    "uses bigint not null, primary key (resource, slot))",
};

}  // namespace

static_assert(kFenceSlots == 16, "insert_token says range(16)");

const FenceStatements kDuckdbFence = {
    .schema = {.room = "fence", .steps = kDuckdbFenceSteps},
    .find_table =
        "select 1 from duckdb_tables() where schema_name = current_schema() and "
        "table_name = 'tidelock_fence'",
    .find_token = "select token from tidelock_fence where resource = ? and slot = 0",
    .insert_token = "insert into tidelock_fence select ?, slot, ?, 0 from range(16) as slots(slot)",
    .advance_token = "update tidelock_fence set token = ?, uses = uses + 1 where resource = ?",
    .hold_token = "update tidelock_fence set uses = uses + 1 where resource = ? and slot = ?",
};

}  // namespace tidelock::lock
