#include "tidelock/cli/advice.h"

namespace tidelock::cli {

std::string_view advice(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::unsupported:
    case Code::statement_invalid:
      return "change the command line, see --help";
    case Code::permits_differ:
      return "give the same number of permits everywhere";
    case Code::not_found:
      return "check the name";
    case Code::already_exists:
      return "choose another name";
    case Code::permission_denied:
      return "give this user the right to it";
    case Code::read_only:
      return "make it writable for this user";
    case Code::read_only_server:
      return "name the primary";
    case Code::not_a_database:
      return "check the name: this is something else, or damaged";
    case Code::corrupt:
      return "restore it from a backup";
    case Code::newer_schema:
      return "use the newer version that wrote it";
    case Code::too_large:
      return "make it smaller";
    case Code::disk_full:
      return "free space, then run it again";
    case Code::io_error:
      return "look at the disk and the system's log";
    case Code::cancelled:
    case Code::timeout:
    case Code::unavailable:
    case Code::serialization_failure:
    case Code::stale_version:
    case Code::connection_lost:
    case Code::unknown_outcome:
      return "run it again";
    case Code::database_locked:
      return "run it again when the other process is done";
    case Code::deadlock:
      return "take the locks in the same order everywhere, then run it again";
    case Code::lease_lost:
    case Code::fenced:
    case Code::not_holder:
      return "another holder may have gone on with it: look, then run it again";
    case Code::misuse:
    case Code::constraint_violation:
    case Code::internal:
      return "this is a bug in tidelock, please report it";
  }
  return "please report this";
}

std::string_view lock_advice(Code code) {
  switch (code) {
    case Code::permits_differ:
      return "give the same --permits everywhere";
    case Code::permission_denied:
    case Code::read_only:
      return "make it writable for this user, or name another state with --on";
    case Code::not_a_database:
      return "name a Tidelock state with --on";
    case Code::corrupt:
      return "restore the file, or move it away: a new one is made";
    case Code::lease_lost:
    case Code::fenced:
    case Code::not_holder:
      return "see who holds it with `tidelock lock list`";
    default:
      return advice(code);
  }
}

std::string_view sql_advice(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::unsupported:
      return "see `tidelock sql --help`";
    case Code::not_found:
      return "check the URL; --create makes a database that does not exist";
    case Code::permission_denied:
      return "check the user and the password of the URL, and what this user may do";
    case Code::not_a_database:
      return "check the URL: this is a file of another kind, or a damaged one";
    case Code::statement_invalid:
      return "correct the SQL";
    case Code::misuse:
      return "leave that out of the SQL: it is for tidelock to do";
    case Code::constraint_violation:
      return "nothing of the statement was kept";
    case Code::read_only:
      return "nothing was written";
    case Code::timeout:
      return "give a longer --timeout, or ask for less";
    case Code::cancelled:
      return "what the statement had done is taken back";
    case Code::unknown_outcome:
      return "look whether it was applied before you repeat it";
    default:
      return advice(code);
  }
}

std::string_view replica_advice(Code code) {
  switch (code) {
    case Code::invalid_argument:
      return "see `tidelock replica --help`";
    case Code::not_a_database:
    case Code::not_found:
      return "check the path";
    case Code::unsupported:
      return "nothing was published";
    case Code::permission_denied:
    case Code::read_only:
      return "a replica is for reading; to publish, this user must be able to write its folder";
    case Code::already_exists:
      return "choose another folder, or move it away";
    case Code::corrupt:
      return "the last good version stays current; repair the master, then publish again";
    case Code::lease_lost:
    case Code::fenced:
      return "nothing was committed; the other publisher's version counts";
    default:
      return advice(code);
  }
}

}  // namespace tidelock::cli
