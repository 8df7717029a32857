// Fencing in MariaDB. All reads lock what they find: at repeatable read, its default, a plain read sees the snapshot
// that the first plain read of the transaction opens. So the snapshot is opened by the work itself, after whatever the
// fence waited for. Two workers of a new holder that meet at their first transactions may both have locked the row
// before either changes it; the server then ends one of them at once (deadlock).
#include <array>

#include "tidelock/lock/fence_statements.h"

namespace tidelock::lock {
namespace {

// Names are compared byte by byte, blanks at their end included.
constexpr std::array<std::string_view, 1> kMariadbFenceSteps = {
    "create table if not exists tidelock_fence (resource varchar(255) primary key, token bigint not null) "
    "engine = InnoDB, character set utf8mb4, collate utf8mb4_nopad_bin",
};

}  // namespace

const ServerFenceStatements kMariadbFence = {
    .schema = {.room = "fence", .steps = kMariadbFenceSteps},
    .find_table =
        "select 1 from information_schema.tables where table_schema = database() and table_name = 'tidelock_fence'",
    .last_token = "select token from tidelock_fence where resource = ?",
    .share_token = "select token from tidelock_fence where resource = ? and token = ? lock in share mode",
    .find_token = "select token from tidelock_fence where resource = ? lock in share mode",
    .advance_token =
        "insert into tidelock_fence (resource, token) values (?, ?) "
        "on duplicate key update token = greatest(token, values(token))",
};

}  // namespace tidelock::lock
