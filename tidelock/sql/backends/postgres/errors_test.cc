#include "tidelock/sql/backends/postgres/errors.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace tidelock::sql::postgres {
namespace {

TEST(PostgresErrors, AStateHasItsMeaningOrThatOfItsClass) {
  const std::vector<std::pair<std::string, Code>> cases = {
      {"23505", Code::constraint_violation},
      {"23999", Code::constraint_violation},
      {"40001", Code::serialization_failure},
      {"40P01", Code::deadlock},
      {"55P03", Code::database_locked},
      {"57P01", Code::connection_lost},
      {"57P03", Code::unavailable},
      {"53300", Code::unavailable},
      {"25006", Code::read_only},
      {"42601", Code::statement_invalid},
      {"42501", Code::permission_denied},
      {"3D000", Code::not_found},
      {"22001", Code::too_large},
      {"22P02", Code::statement_invalid},
      {"54001", Code::too_large},
      {"53100", Code::disk_full},
      {"XX001", Code::corrupt},
      {"99999", Code::statement_invalid},
      {"", Code::connection_lost},
  };
  for (const auto& [state, code] : cases) EXPECT_EQ(meaning(state).code, code) << state;
}

TEST(PostgresErrors, ARefusedConnectionIsToldByItsState) {
  const auto error = connect_error(
      "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password authentication failed for user "
      "\"u\"\nLOCATION:  auth_failed, auth.c:326\n",
      "postgres://u:***@127.0.0.1/d");
  EXPECT_EQ(error.code(), Code::permission_denied);
  EXPECT_NE(error.message().find("postgres://u:***@127.0.0.1/d"), std::string::npos);
  ASSERT_TRUE(error.native());
  EXPECT_EQ(error.native()->state, "28P01");
  EXPECT_EQ(error.native()->message, "password authentication failed for user \"u\"");
  EXPECT_EQ(connect_error("FATAL:  57P01: terminating connection", "x").code(), Code::unavailable);
}

TEST(PostgresErrors, WhatLibpqSaysItselfIsToldByItsWords) {
  EXPECT_EQ(connect_error("server does not support SSL, but SSL was required", "x").code(), Code::unsupported);
  EXPECT_EQ(connect_error("SSL error: certificate verify failed", "x").code(), Code::permission_denied);
  EXPECT_EQ(connect_error("Connection refused\n\tIs the server running", "x").code(), Code::unavailable);
  EXPECT_EQ(connect_error("something else:  it says", "x").code(), Code::unavailable);
  EXPECT_EQ(connect_error("", "x").code(), Code::unavailable);
}

TEST(PostgresErrors, SeveralLinesBecomeOne) {
  EXPECT_EQ(one_line("FATAL:  ended\nclosed\n\tperhaps\n"), "FATAL:  ended closed perhaps");
  EXPECT_EQ(one_line("\n"), "");
}

TEST(PostgresErrors, TheWordsOfTheServerAreKept) {
  const auto error = error_of({.state = "23505", .message = "duplicate key", .object = "t_pkey"}, "insert …");
  EXPECT_STREQ(error.what(), "a unique constraint is violated (t_pkey): insert … [duplicate key (23505)]");
  EXPECT_EQ(error.object(), "t_pkey");
}

// Which of its functions said it, since the words are in the server's language.
TEST(PostgresErrors, APlanThatIsOutdatedIsKnownInEveryLanguage) {
  const auto outdated = error_of({.state = "0A000",
                                  .message = "gecachter Plan darf den Ergebnistyp nicht ändern",
                                  .object = {},
                                  .place = "RevalidateCachedQuery"},
                                 "select …");
  EXPECT_EQ(outdated.code(), Code::serialization_failure);
  EXPECT_EQ(error_of({.state = "0A000", .message = "cached plan", .object = {}}, "select …").code(), Code::unsupported);
}

}  // namespace
}  // namespace tidelock::sql::postgres
