// Fencing in PostgreSQL. The last token is looked for by its value, so that only who has it locks the row: two workers
// of a new holder who both shared the old one's row would block each other. At the levels that read one snapshot the
// server fails whoever meets a row that was changed since (serialization_failure).
#include <array>

#include "tidelock/lock/fence_statements.h"

namespace tidelock::lock {
namespace {

constexpr std::array<std::string_view, 1> kPostgresFenceSteps = {
    "create table tidelock_fence (resource text primary key, token bigint not null)",
};

}  // namespace

const ServerFenceStatements kPostgresFence = {
    .schema = {.room = "fence", .steps = kPostgresFenceSteps},
    .find_table = "select 1 where to_regclass('tidelock_fence') is not null",
    .last_token = "select token from tidelock_fence where resource = ?",
    .share_token = "select token from tidelock_fence where resource = ? and token = ? for share",
    .find_token = "select token from tidelock_fence where resource = ?",
    .advance_token =
        "insert into tidelock_fence as fence (resource, token) values (?, ?) "
        "on conflict (resource) do update set token = excluded.token where fence.token < excluded.token",
};

}  // namespace tidelock::lock
