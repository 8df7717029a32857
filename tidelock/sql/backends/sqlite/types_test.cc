#include "tidelock/sql/backends/sqlite/types.h"

#include <gtest/gtest.h>

namespace tidelock::sql::sqlite {
namespace {

TEST(SqliteTypes, EveryKindIsReadByTheTypeThatItIsDeclaredWith) {
  for (int i = 0; i <= static_cast<int>(Kind::json); ++i) {
    const auto kind = static_cast<Kind>(i);
    const auto declared = declared_kind(column_type(kind));
    const bool by_storage =
        kind == Kind::null || kind == Kind::int64 || kind == Kind::real || kind == Kind::text || kind == Kind::blob;
    EXPECT_EQ(declared, by_storage ? Kind::null : kind) << column_type(kind);
  }
}

TEST(SqliteTypes, ADeclaredTypeIsReadWithoutCaseAndSize) {
  EXPECT_EQ(declared_kind("decimal(10, 2)"), Kind::decimal);
  EXPECT_EQ(declared_kind("Numeric"), Kind::decimal);
  EXPECT_EQ(declared_kind("datetime"), Kind::timestamp);
  EXPECT_EQ(declared_kind("timestamp with time zone"), Kind::timestamp);
  EXPECT_EQ(declared_kind("dated"), Kind::null);
  EXPECT_EQ(declared_kind(""), Kind::null);
}

// https://www.sqlite.org/datatype3.html, section 3.1: what SQLite may turn into a number must have text affinity.
TEST(SqliteTypes, WhatLooksLikeANumberIsDeclaredAsText) {
  for (const auto kind : {Kind::decimal, Kind::json}) {
    EXPECT_NE(column_type(kind).find("TEXT"), std::string::npos) << name(kind);
  }
}

}  // namespace
}  // namespace tidelock::sql::sqlite
