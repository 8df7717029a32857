// The report as one HTML page: no script, nothing from elsewhere, light or dark as the reader's screen is.
#pragma once

#include <string>

#include "examples/market/report/model.h"

namespace market {

std::string page(const Report& report);
// What is shown before the first day is closed.
std::string empty_page();

}  // namespace market
