#include "tidelock/cli/exit_code.h"

namespace tidelock::cli {

Exit exit_for(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::unsupported:
    case Code::permits_differ:
      return Exit::usage;
    case Code::lease_lost:
    case Code::fenced:
      return Exit::lease_lost;
    case Code::deadlock:
      return Exit::not_acquired;
    case Code::misuse:
    case Code::not_found:
    case Code::already_exists:
    case Code::permission_denied:
    case Code::read_only:
    case Code::read_only_server:
    case Code::not_a_database:
    case Code::corrupt:
    case Code::newer_schema:
    case Code::statement_invalid:
    case Code::constraint_violation:
    case Code::too_large:
    case Code::disk_full:
    case Code::io_error:
    case Code::not_holder:
    case Code::cancelled:
    case Code::internal:
    case Code::unavailable:
    case Code::timeout:
    case Code::database_locked:
    case Code::serialization_failure:
    case Code::stale_version:
    case Code::connection_lost:
    case Code::unknown_outcome:
      return Exit::failed;
  }
  return Exit::failed;
}

int exit_for_status(int status, bool by_signal) { return by_signal ? number(Exit::by_signal) + status : status; }

std::string exit_code_help() {
  return "Exit codes:\n"
         "    0  done; for lock run: the command ended with 0\n"
         "    1  failed: the message says what to do\n"
         "    2  the command line must be changed\n"
         "   70  the lock was lost while the command ran; the command was ended\n"
         "   75  the lock was not got in time, or the wait would never have ended (deadlock)\n"
         "  126  the command cannot be executed\n"
         "  127  the command was not found\n"
         "128+N  the command was ended by signal N\n"
         "  any other is the command's own";
}

}  // namespace tidelock::cli
