// Masters that are DuckDB's and yet cannot be replicated.
#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <span>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/replica/backends/duckdb/header.h"
#include "tidelock/replica/testing/replica_test.h"
#include "tidelock/world/testing.h"

namespace tidelock::replica::duckdb {
namespace {

using ::testing::HasSubstr;

class ForeignFiles : public testing::ReplicaTest {
 protected:
  std::string refusal(Code code) {
    std::string text = "no error";
    try {
      publish();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      text = error.what();
    }
    EXPECT_FALSE(folder().current_sequence());
    for (const auto& entry : folder().entries()) ADD_FAILURE() << entry.name << " was left";
    return text;
  }
};

// With the first page as a later engine would write it.
TEST_F(ForeignFiles, OfANewerFormatAreRefusedAndTheOwnerIsToldWhatToDo) {
  open_master()->script("create table t as select 1 as i");
  constexpr std::size_t kPageBytes = 4096;
  constexpr std::size_t kVersionOffset = 12;
  constexpr std::uint64_t kFarFuture = 4711;
  std::array<std::byte, kPageBytes> page{};
  const auto file = files_.open(master(), base::OpenMode::read_write);
  ASSERT_EQ(file->read_at(0, page), page.size());
  ASSERT_TRUE(checksum_is_right(page));
  std::memcpy(&page[kVersionOffset], &kFarFuture, sizeof kFarFuture);
  const auto sum = checksum(std::span(page).subspan(sizeof(std::uint64_t)));
  std::memcpy(page.data(), &sum, sizeof sum);
  file->write_at(0, page);
  EXPECT_THAT(refusal(Code::newer_schema), HasSubstr("4711"));
}

TEST_F(ForeignFiles, ThatAreEncryptedAreRefused) {
  const auto engine = open("duckdb::memory:");
  // What encrypts well is an extension that may have to be fetched; here the flag in the file counts.
  engine->script("set force_mbedtls_unsafe = 'true'; attach '" + master().string() +
                 "' as secret (encryption_key 'key'); create table secret.t as select 1 as i; checkpoint secret; "
                 "detach secret");
  EXPECT_THAT(refusal(Code::not_a_database),
              HasSubstr("is encrypted, and a copy could not be checked without its key"));
}

}  // namespace
}  // namespace tidelock::replica::duckdb
