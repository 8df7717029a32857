// Small things that every message about somebody's text needs: quoting, UTF-8, the nearest known name.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tidelock::base {

// `text` in double quotes, on one line and safe for a terminal: quotes, backslashes, control characters and bytes that
// are not UTF-8 are escaped (\", \\, \n, \x1b). What is longer than `limit_bytes` is cut and ends in … Call it as
// base::quoted: without the namespace, a std::string may find std::quoted.
std::string quoted(std::string_view text, std::size_t limit_bytes = 120);

// Where `text` stops being UTF-8 as RFC 3629 defines it (no overlong forms, no surrogates, nothing above U+10FFFF);
// empty when all of it is.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// The name that `text` was most likely meant to be, by edit distance without regard to case; empty when none is near.
std::optional<std::string> nearest_name(std::string_view text, std::span<const std::string> names);

// "a, b and c"; "none" when empty.
std::string listed(std::span<const std::string> names);

}  // namespace tidelock::base
