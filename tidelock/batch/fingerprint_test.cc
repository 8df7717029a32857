#include "tidelock/batch/fingerprint.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace tidelock::batch {
namespace {

using sql::ValueView;
using Rows = std::vector<std::vector<ValueView>>;

std::uint64_t of(const Rows& rows) {
  Fingerprint fingerprint;
  for (const auto& row : rows) fingerprint.add(row);
  return fingerprint.digest();
}

TEST(Fingerprint, IsTheSameForTheSameRowsAndGrowsWithThem) {
  const Rows rows{{"a", std::int64_t{1}}, {"b", std::int64_t{2}}};
  EXPECT_EQ(of(rows), of(rows));
  Fingerprint fingerprint;
  std::set<std::uint64_t> seen{fingerprint.digest()};
  for (const auto& row : rows) {
    fingerprint.add(row);
    seen.insert(fingerprint.digest());
  }
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_EQ(fingerprint.digest(), of(rows));
}

TEST(Fingerprint, TellsRowsApartWhoseTextsRunTogether) {
  const std::vector<Rows> different{{{"ab", "c"}},
                                    {{"a", "bc"}},
                                    {{"abc"}},
                                    {{"ab"}, {"c"}},
                                    {{"c", "ab"}},
                                    {{"ab", "c", ""}},
                                    {{"ab", sql::Null{}}},
                                    {{"ab", ""}},
                                    {{sql::Null{}, "ab"}},
                                    {},
                                    {{}},
                                    {{std::int64_t{1}}},
                                    {{1.0}},
                                    {{true}},
                                    {{"1"}},
                                    {{sql::DecimalView{"1"}}},
                                    {{sql::DecimalView{"1.0"}}},
                                    {{sql::JsonView{"1"}}},
                                    {{sql::Date(std::chrono::days(1))}},
                                    {{sql::Timestamp(std::chrono::microseconds(1))}}};
  std::set<std::uint64_t> seen;
  for (const auto& rows : different) seen.insert(of(rows));
  EXPECT_EQ(seen.size(), different.size());
}

// It stands in checkpoints of databases that are out there.
TEST(Fingerprint, NeverChanges) {
  EXPECT_EQ(of({}), 0x2d06800538d394c2U);  // XXH3 of nothing.
  EXPECT_EQ(of({{"AAL", sql::Date(std::chrono::days(17000)), sql::DecimalView{"46.74"}, std::int64_t{4711}, sql::Null{},
                 2.5, true}}),
            17612449003852377705U);
}

}  // namespace
}  // namespace tidelock::batch
