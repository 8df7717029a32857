#include "tidelock/replica/manifest.h"

#include <gmock/gmock.h>

#include "tidelock/world/testing.h"

namespace tidelock::replica {
namespace {

using ::testing::HasSubstr;

Manifest example() {
  Manifest manifest;
  manifest.version = {base::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057"), 42};
  manifest.engine = "duckdb";
  manifest.size_bytes = 12288 + 2 * 262144;
  manifest.header_bytes = 12288;
  manifest.block_bytes = 262144;
  for (std::uint64_t i = 0; i < 3; ++i) manifest.blocks.push_back(BlockHash::of(i, {}));
  manifest.master = "/data/market.duckdb";
  manifest.master_inode = 77;
  manifest.position = "17";
  manifest.data_time = base::WallTime(std::chrono::microseconds(1'700'000'000'000'001));
  manifest.left_out_bytes = 5;
  manifest.publish_time = base::WallTime(std::chrono::microseconds(1'700'000'000'500'000));
  manifest.token = {99};
  manifest.owner = "an owner";
  manifest.host = "a host";
  manifest.pid = 7;
  return manifest;
}

std::string with(const std::string& from, const std::string& to) {
  auto text = example().to_json();
  return text.replace(text.find(from), from.size(), to);
}

TEST(Manifest, ComesBackAsItWasWritten) { EXPECT_EQ(Manifest::parse(example().to_json()), example()); }

TEST(Manifest, EveryPieceOfItsTextIsNeeded) {
  const auto text = example().to_json();
  for (std::size_t length = 0; length + 2 < text.size(); length += 7) {
    EXPECT_THROW_CODE(Manifest::parse(text.substr(0, length)), Code::corrupt);
  }
}

TEST(Manifest, WhatCannotBeIsRefused) {
  EXPECT_THROW_CODE(Manifest::parse(with("\"size_bytes\": 536576", "\"size_bytes\": 900000")), Code::corrupt);
  EXPECT_THROW_CODE(Manifest::parse(with("\"block_bytes\": 262144", "\"block_bytes\": 0")), Code::corrupt);
  EXPECT_THROW_CODE(Manifest::parse(with("\"sequence\": 42", "\"sequence\": 0")), Code::corrupt);
  EXPECT_THROW_CODE(Manifest::parse(with("\"sequence\": 42", "\"sequence\": \"42\"")), Code::corrupt);
  EXPECT_THROW_CODE(Manifest::parse(with("01890a5d", "0189")), Code::corrupt);
  EXPECT_THROW_CODE(Manifest::parse("[]"), Code::corrupt);
}

TEST(Manifest, ANewerFormatIsToldApartFromDamage) {
  EXPECT_THROW_CODE(Manifest::parse(with("\"format\": 1", "\"format\": 2")), Code::newer_schema);
}

// Stands in files that others verify: XXH3-128 over the number in 8 bytes, little endian, then the bytes.
TEST(BlockHash, IsOfNumberAndBytes) {
  const std::string text = "block";
  const auto bytes = std::as_bytes(std::span(text));
  EXPECT_EQ(BlockHash::of(0, bytes), BlockHash::of(0, bytes));
  EXPECT_NE(BlockHash::of(0, bytes), BlockHash::of(1, bytes));
  EXPECT_NE(BlockHash::of(0, bytes), BlockHash::of(0, bytes.first(4)));
  EXPECT_EQ(BlockHash::of(0, bytes).to_string().size(), 32U);
  EXPECT_EQ(BlockHash::parse(BlockHash::of(7, bytes).to_string()), BlockHash::of(7, bytes));
}

TEST(BlockHash, ReadsThirtyTwoHexadecimalDigits) {
  EXPECT_EQ(BlockHash::parse("0000000000000001000000000000000a"), (BlockHash{1, 10}));
  for (const auto* wrong : {"", "00", "0000000000000001000000000000000g", "0000000000000001000000000000000a0"}) {
    EXPECT_EQ(BlockHash::parse(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace tidelock::replica
