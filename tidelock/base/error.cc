#include "tidelock/base/error.h"

#include <utility>

namespace tidelock {

// The one place that says what to do about a code. No default: a new code must be thought about here.
Disposition disposition(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::unsupported:
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
    case Code::cancelled:
    case Code::lease_lost:
    case Code::fenced:
    case Code::not_holder:
    case Code::permits_differ:
    case Code::internal:
      return Disposition::permanent;
    case Code::unavailable:
    case Code::database_locked:
    case Code::timeout:
      return Disposition::retry_call;
    case Code::serialization_failure:
    case Code::stale_version:
    case Code::deadlock:
    case Code::connection_lost:
      return Disposition::rerun_unit;
    case Code::unknown_outcome:
      return Disposition::unknown;
  }
  std::terminate();  // Not an enumerator: memory is damaged.
}

std::string_view name(Code code) {
  switch (code) {
    case Code::invalid_argument:
      return "invalid_argument";
    case Code::unsupported:
      return "unsupported";
    case Code::misuse:
      return "misuse";
    case Code::not_found:
      return "not_found";
    case Code::already_exists:
      return "already_exists";
    case Code::permission_denied:
      return "permission_denied";
    case Code::read_only:
      return "read_only";
    case Code::read_only_server:
      return "read_only_server";
    case Code::not_a_database:
      return "not_a_database";
    case Code::corrupt:
      return "corrupt";
    case Code::newer_schema:
      return "newer_schema";
    case Code::statement_invalid:
      return "statement_invalid";
    case Code::constraint_violation:
      return "constraint_violation";
    case Code::too_large:
      return "too_large";
    case Code::disk_full:
      return "disk_full";
    case Code::io_error:
      return "io_error";
    case Code::cancelled:
      return "cancelled";
    case Code::lease_lost:
      return "lease_lost";
    case Code::fenced:
      return "fenced";
    case Code::not_holder:
      return "not_holder";
    case Code::permits_differ:
      return "permits_differ";
    case Code::internal:
      return "internal";
    case Code::unavailable:
      return "unavailable";
    case Code::database_locked:
      return "database_locked";
    case Code::timeout:
      return "timeout";
    case Code::serialization_failure:
      return "serialization_failure";
    case Code::stale_version:
      return "stale_version";
    case Code::deadlock:
      return "deadlock";
    case Code::connection_lost:
      return "connection_lost";
    case Code::unknown_outcome:
      return "unknown_outcome";
  }
  std::terminate();
}

std::string_view name(Disposition disposition) {
  switch (disposition) {
    case Disposition::permanent:
      return "permanent";
    case Disposition::retry_call:
      return "retry_call";
    case Disposition::rerun_unit:
      return "rerun_unit";
    case Disposition::unknown:
      return "unknown";
  }
  std::terminate();
}

Error::Error(Code code, std::string message) : code_(code), message_(std::move(message)), text_(message_) {}

Error::Error(Code code, std::string message, Native native, std::string object)
    : code_(code), message_(std::move(message)), native_(std::move(native)), object_(std::move(object)) {
  if (native_->code == 0 && native_->state.empty() && native_->message.empty()) {  // Taken over from one without.
    native_.reset();
    text_ = message_;
    return;
  }
  const auto& state = native_->state;
  text_ = message_ + " [" + native_->message + " (" + (state.empty() ? std::to_string(native_->code) : state) + ")]";
}

}  // namespace tidelock
