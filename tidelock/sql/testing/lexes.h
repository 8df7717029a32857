// How the engines read text, for tests that need no engine. The engines' own tests compare theirs with these.
#pragma once

#include "tidelock/sql/dialect.h"

namespace tidelock::sql::testing {

inline constexpr Lexis kSqlite{.backtick_identifiers = true,
                               .bracket_identifiers = true,
                               .byte_order_mark_is_space = true,
                               .named_parameters = true,
                               .trigger_bodies = true};
inline constexpr Lexis kDuckdb{.dollar_quotes = true,
                               .escape_strings = true,
                               .nested_comments = true,
                               .numbered_placeholders = true,
                               .return_ends_comment = true,
                               .unicode_spaces = true,
                               .user_is_value = true};
inline constexpr Lexis kPostgres{.dollar_quotes = true,
                                 .escape_strings = true,
                                 .nested_comments = true,
                                 .numbered_placeholders = true,
                                 .return_ends_comment = true,
                                 .user_is_value = true};
inline constexpr Lexis kMariadb{.backtick_identifiers = true,
                                .backslash_escapes = true,
                                .hash_comments = true,
                                .double_quoted_strings = true,
                                .dash_comments_need_space = true,
                                .executable_comments = true,
                                .at_variables = true};

}  // namespace tidelock::sql::testing
