// The page's style sheet.
#pragma once

#include <string_view>

namespace market {

extern const std::string_view kStyle;

}  // namespace market
