#include "tidelock/batch/moment.h"

#include "tidelock/batch/zone.h"

namespace tidelock::batch {

Moment Moment::at(base::WallTime moment, std::string_view zone) {
  const auto offset = find_zone(zone).get_info(to_date(moment)).offset;
  const sql::Timestamp now = moment + offset;
  const auto today = std::chrono::floor<std::chrono::days>(now);
  return {now, today, today - std::chrono::days(1)};
}

}  // namespace tidelock::batch
