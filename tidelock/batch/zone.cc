#include "tidelock/batch/zone.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::batch {

const date::time_zone& find_zone(std::string_view name) {
  try {
    return *date::locate_zone(std::string(name));
  } catch (const std::runtime_error&) {
    std::vector<std::string> known;
    for (const auto& zone : date::get_tzdb().zones) known.push_back(zone.name());
    const auto nearest = base::nearest_name(name, known);
    throw Error(Code::invalid_argument, "time zone " + base::quoted(name) + " is not known" +
                                            (nearest ? "; did you mean " + base::quoted(*nearest) + "?"
                                                     : ": use an IANA name such as \"Europe/Berlin\" or \"UTC\""));
  }
}

}  // namespace tidelock::batch
