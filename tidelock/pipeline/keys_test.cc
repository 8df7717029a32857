// The table of keys is what the loader reads by and what docs/pipeline.md says.
#include "tidelock/pipeline/keys.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/pipeline/mistakes.h"
#include "tidelock/pipeline/section.h"
#include "tidelock/pipeline/toml.h"

namespace tidelock::pipeline {
namespace {

std::vector<std::string> sections() {
  std::vector<std::string> all;
  for (const auto& key : keys()) {
    if (all.empty() || all.back() != key.section) all.emplace_back(key.section);
  }
  return all;
}

TEST(Keys, TheDocumentationHasEachSectionsTableAsItIs) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto document = files.read(TIDELOCK_DOCS "/pipeline.md");
  for (const auto& section : sections()) {
    EXPECT_NE(document.find(markdown(section)), std::string::npos)
        << "docs/pipeline.md should have for " << section << ":\n\n"
        << markdown(section);
  }
}

TEST(Keys, TheDocumentationHasNoOtherTableOfKeys) {
  base::RealRuntime runtime;
  base::RealFiles files(runtime);
  const auto document = files.read(TIDELOCK_DOCS "/pipeline.md");
  std::size_t tables = 0;
  for (auto at = document.find("| key | type |"); at != std::string::npos;
       at = document.find("| key | type |", at + 1)) {
    ++tables;
  }
  EXPECT_EQ(tables, sections().size());
}

TEST(Keys, EachExampleAndEachDefaultIsAcceptedAndBothAreOfTheirType) {
  for (const auto& key : keys()) {
    std::string values(key.example);
    Mistakes mistakes("example.toml");
    for (const bool is_default : {false, true}) {
      if (is_default && (key.required || key.fallback.empty())) continue;
      const bool is_bare = key.type == KeyType::integer || key.type == KeyType::flag;
      const auto value = !is_default ? std::string(key.example)
                         : is_bare   ? std::string(key.fallback)
                                     : fmt::format("\"{}\"", key.fallback);
      const auto table = parse_toml(fmt::format("{} = {}", key.name, value), mistakes);
      const Section section(std::string(key.section), std::string(key.section), 1, table, mistakes);
      EXPECT_TRUE(section.has(key.name)) << key.section << "." << key.name << " = " << value << " "
                                         << ::testing::PrintToString(mistakes.lines());
    }
  }
}

TEST(Keys, EachIsThereOnceAndExplained) {
  for (const auto& key : keys()) {
    EXPECT_EQ(find_key(key.section, key.name), &key) << key.section << "." << key.name << " is there twice";
    EXPECT_TRUE(key.meaning.ends_with('.')) << key.section << "." << key.name;
    EXPECT_EQ(key.type == KeyType::choice || key.type == KeyType::reference, !key.choices.empty());
  }
}

TEST(Keys, ALimitIsExact) {
  Mistakes mistakes("limits.toml");
  const auto accepts = [&](std::string_view value) {
    const auto table = parse_toml(fmt::format("store = \"s\"\nto = \"t\"\nkeep = {}", value), mistakes);
    return Section("replica.NAME", "replica.r", 1, table, mistakes).has("keep");
  };
  EXPECT_TRUE(accepts("1"));
  EXPECT_TRUE(accepts("1000"));
  EXPECT_FALSE(accepts("0"));
  EXPECT_FALSE(accepts("1001"));
}

}  // namespace
}  // namespace tidelock::pipeline
