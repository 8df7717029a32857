// Moments written by a pattern of Java's SimpleDateFormat, as P6Spy's keys have them: "yyyy-MM-dd'T'HH:mm:ss.SSSZ".
//
//   G y M L d D F E u a H k K h m s S z Z X   as there, with English names;
//   S   more than three of them give a fraction of the second (SSSSSS: microseconds), not padded milliseconds;
//   w W Y   depend on a country's weeks, and are refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/time.h"

namespace date {
class time_zone;
}

namespace tidelock::sql::spy {

// Used by one task at a time: it remembers the offset of the zone that it looked up last.
class DatePattern {
 public:
  // zone: an IANA name; empty: that of this machine (TZ, then /etc/localtime). Errors: invalid_argument, with the
  // position for a pattern.
  explicit DatePattern(std::string_view pattern, std::string_view zone = "UTC");
  void append(std::string& out, base::WallTime moment) const;

 private:
  struct Piece {
    char letter;  // 0: text.
    int count;
    std::string text;
  };
  struct Local;
  Local local(base::WallTime moment) const;
  static void append_piece(std::string& out, const Piece& piece, const Local& at);

  const date::time_zone* zone_;
  std::vector<Piece> pieces_;
  mutable base::WallTime known_from_{};  // The offset below holds in between.
  mutable base::WallTime known_to_{};
  mutable std::chrono::seconds offset_{};
  mutable std::string zone_name_;
};

}  // namespace tidelock::sql::spy
