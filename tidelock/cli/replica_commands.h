// `tidelock replica publish`, `status` and `query`.
#pragma once

#include "tidelock/cli/program.h"
#include "tidelock/cli/replica_options.h"

namespace tidelock::cli {

// Errors: of Publisher.
Outcome publish_replica(const ReplicaPublish& options, Outside outside);
// What is wrong with the replica is printed, and is the exit code: 0, 1 or 2 as monitoring plugins have them.
Outcome show_replica(const ReplicaStatus& options, Outside outside);
// Errors: of Reader, and those of the statement.
Outcome query_replica(const ReplicaQuery& options, Outside outside);

}  // namespace tidelock::cli
