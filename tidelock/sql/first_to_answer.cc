#include "tidelock/sql/first_to_answer.h"

namespace tidelock::sql {

base::Deadline fair_part(base::Deadline deadline, base::Instant now, std::size_t places) {
  if (deadline.is_never() || places <= 1) return deadline;
  return base::later(now, deadline.left(now) / static_cast<base::Duration::rep>(places));
}

Error with_tried_before(const Error& last, const std::string& tried) {
  const auto message = last.message() + "; tried before: " + tried;
  return last.native() ? Error(last.code(), message, *last.native(), last.object()) : Error(last.code(), message);
}

}  // namespace tidelock::sql
