// How numbers and dates are written in the report, and text made safe for HTML.
#pragma once

#include <string>
#include <string_view>

#include "examples/market/report/model.h"

namespace market {

std::string escaped(std::string_view text);  // For element content and quoted attributes.

std::string grouped(double value, int decimals = 0);            // 1,234,567 and −1,234.5
std::string signed_grouped(double value, int decimals = 0);     // +1,234 and −1,234; 0 without a sign
std::string percent(double fraction, int decimals = 1);         // 12.3%
std::string signed_percent(double fraction, int decimals = 2);  // +1.23%
std::string short_amount(double value);                         // 950, 12.3 K, 4.5 M, 1.2 B

std::string long_date(Date date);   // Wednesday, 7 February 2018
std::string short_date(Date date);  // Wed 7 Feb
std::string month_name(Date date);  // Feb

}  // namespace market
