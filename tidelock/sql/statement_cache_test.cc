#include "tidelock/sql/statement_cache.h"

#include <gtest/gtest.h>

namespace tidelock::sql {
namespace {

class FakePrepared final : public Prepared {
 public:
  explicit FakePrepared(int& open) : open_(open) { ++open_; }
  ~FakePrepared() override { --open_; }
  std::size_t parameter_count() const override { return 0; }
  std::size_t column_count() const override { return 0; }
  std::string_view column_name(std::size_t) const override { return {}; }
  void start(std::span<const ValueView>, base::Deadline) override {}
  bool next() override { return false; }
  ValueView value(std::size_t) override { return Null{}; }
  std::int64_t changes() const override { return 0; }
  void finish() noexcept override {}

 private:
  int& open_;
};

class StatementCacheTest : public ::testing::Test {
 protected:
  std::shared_ptr<CachedStatement> add(const std::string& text) {
    auto statement = std::make_shared<CachedStatement>();
    statement->text = text;
    statement->prepared = std::make_unique<FakePrepared>(open_);
    return cache_.add(std::move(statement));
  }
  int open_ = 0;
  StatementCache cache_{2};
};

TEST_F(StatementCacheTest, TheOneNotUsedForLongestFallsOut) {
  add("a");
  add("b");
  ASSERT_NE(cache_.find("a"), nullptr);
  add("c");
  EXPECT_NE(cache_.find("a"), nullptr);
  EXPECT_NE(cache_.find("c"), nullptr);
  EXPECT_EQ(cache_.find("b"), nullptr);
  EXPECT_EQ(open_, 2);
}

TEST_F(StatementCacheTest, WhatIsStillHeldIsClosedOnceItIsNot) {
  auto held = add("a");
  add("b");
  add("c");
  EXPECT_EQ(cache_.find("a"), nullptr);
  EXPECT_EQ(open_, 3);
  held.reset();
  add("d");
  EXPECT_EQ(open_, 2);
}

TEST_F(StatementCacheTest, ClearingClosesAlsoWhatIsHeld) {
  const auto held = add("a");
  const auto fallen = add("b");
  add("c");
  add("d");
  cache_.clear();
  EXPECT_EQ(open_, 0);
  EXPECT_EQ(held->prepared, nullptr);
  EXPECT_EQ(cache_.size(), 0U);
}

}  // namespace
}  // namespace tidelock::sql
