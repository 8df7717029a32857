// The moment a run stands for, as its SQL and conditions see it.
#pragma once

#include <string_view>

#include "tidelock/base/time.h"
#include "tidelock/sql/value.h"

namespace tidelock::batch {

// On the calendar of the pipeline's time zone, without a zone: at midnight of 3 January, `now` is 2018-01-03T00:00:00,
// `today` 2018-01-03 and `yesterday` 2018-01-02.
struct Moment {
  sql::Timestamp now;
  sql::Date today;
  sql::Date yesterday;

  // zone: an IANA name. Error: invalid_argument.
  static Moment at(base::WallTime moment, std::string_view zone);
};

}  // namespace tidelock::batch
