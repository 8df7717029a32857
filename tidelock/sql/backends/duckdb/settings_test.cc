#include "tidelock/sql/backends/duckdb/settings.h"

#include <gmock/gmock.h>

#include "tidelock/base/testing/error_text.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql::duckdb {
namespace {

using ::testing::HasSubstr;

Settings read(std::string_view text, bool read_only = false) {
  const auto url = base::Url::parse(text);
  base::UrlParams params(url);
  auto settings = read_settings(url, params, read_only);
  params.finish();
  return settings;
}

TEST(DuckDbSettings, AUrlNamesAFileOrMemory) {
  EXPECT_EQ(read("duckdb:shop.duckdb").path, "shop.duckdb");
  EXPECT_EQ(read("duckdb:/var/shop.duckdb").path, "/var/shop.duckdb");
  EXPECT_TRUE(read("duckdb::memory:").in_memory());
  EXPECT_TRUE(read("duckdb:shop.duckdb", true).read_only);
}

TEST(DuckDbSettings, TheEnginesOwnParametersAreTaken) {
  const auto settings = read(
      "duckdb:x?threads=2&memory_limit=1GB&checkpoint_threshold=64%20MiB&temp_directory=/tmp/t&max_temp_directory_size="
      "90%25&preserve_insertion_order=false");
  EXPECT_EQ(settings.to_string(),
            "mode=rw checkpoint_threshold=64 MiB max_temp_directory_size=90% memory_limit=1GB "
            "preserve_insertion_order=false temp_directory=/tmp/t threads=2");
  EXPECT_EQ(read("duckdb:x").to_string(), "mode=rw");
}

TEST(DuckDbSettings, WhatIsWrongIsRefused) {
  for (const auto* url : {"duckdb:", "duckdb://host/x", "duckdb:x?threads=0", "duckdb:x?threads=many",
                          "duckdb:x?memory_limit=lots", "duckdb:x?memory_limit=1", "duckdb:x?memory_limit=GB",
                          "duckdb:x?memory_limit=-1GB", "duckdb:x?preserve_insertion_order=maybe"}) {
    EXPECT_THROW_CODE(read(url), Code::invalid_argument);
  }
  EXPECT_THROW_CODE(read("duckdb::memory:", true), Code::invalid_argument);
  EXPECT_THAT(base::testing::error_text([] { read("duckdb:x?memory_limits=1GB"); }), HasSubstr("memory_limit"));
}

}  // namespace
}  // namespace tidelock::sql::duckdb
