#include "tidelock/cli/failure.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/json_text.h"

namespace tidelock::cli {
namespace {

// What to do about a failure whose message does not say it better.
std::string_view next_step(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::unsupported:
    case Code::statement_invalid:
      return "change the command line, see --help";
    case Code::permits_differ:
      return "give the same --permits everywhere";
    case Code::not_found:
      return "check the name";
    case Code::already_exists:
      return "choose another name";
    case Code::permission_denied:
    case Code::read_only:
      return "make it writable for this user, or name another state with --on";
    case Code::read_only_server:
      return "name the primary";
    case Code::not_a_database:
      return "name a Tidelock state with --on";
    case Code::corrupt:
      return "restore the file, or move it away: a new one is made";
    case Code::newer_schema:
      return "use the newer tidelock that wrote it";
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
      return "see who holds it with `tidelock lock list`";
    case Code::misuse:
    case Code::constraint_violation:
    case Code::internal:
      return "this is a bug in tidelock, please report it";
  }
  return "please report this";
}

}  // namespace

Failure Failure::of(const Error& error) {
  const auto* advised = dynamic_cast<const AdvisedError*>(&error);
  return {.code = error.code(),
          .what = error.what(),
          .next = advised != nullptr ? advised->next() : std::string(next_step(error.code())),
          .exit = number(exit_for(error.code()))};
}

Failure Failure::of(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) return of(*known);
  return {.code = Code::internal,
          .what = error.what(),
          .next = std::string(next_step(Code::internal)),
          .exit = number(Exit::failed)};
}

std::string Failure::line() const { return fmt::format("tidelock: {}: {} [{}]", what, next, name(code)); }

std::string Failure::json() const {
  const nlohmann::ordered_json error{{"code", name(code)},
                                     {"disposition", name(disposition(code))},
                                     {"message", what},
                                     {"next", next},
                                     {"exit", exit}};
  return json_text({{"error", error}}, kOneLine);
}

}  // namespace tidelock::cli
