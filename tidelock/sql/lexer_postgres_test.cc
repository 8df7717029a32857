// The lexer beside PostgreSQL's own scanner (libpg_query, loaded where it is installed): on random text made of what
// is hard to read, both must find the same words and semicolons.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/sql/lexer.h"
#include "tidelock/sql/testing/hard_text.h"
#include "tidelock/sql/testing/lexes.h"
#include "tidelock/world/testing.h"

namespace tidelock::sql {
namespace {

// As in pg_query.h 15-4.0.0.
struct ScanResult {
  std::size_t length;
  char* data;  // Protocol buffers: ScanResult of pg_query.proto.
  char* stderr_buffer;
  void* error;
};

class Scanner {
 public:
  Scanner() : library_(dlopen("libpg_query.so.1504.0", RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) return;
    scan_ = reinterpret_cast<decltype(scan_)>(dlsym(library_, "pg_query_scan"));
    free_ = reinterpret_cast<decltype(free_)>(dlsym(library_, "pg_query_free_scan_result"));
  }
  bool is_there() const { return scan_ != nullptr && free_ != nullptr; }

  // The text of each token by its place; empty when PostgreSQL refuses the text.
  std::optional<std::map<std::size_t, std::string>> scan(const std::string& sql) const {
    const ScanResult result = scan_(sql.c_str());
    std::optional<std::map<std::size_t, std::string>> tokens;
    if (result.error == nullptr) {
      tokens.emplace();
      read({result.data, result.length}, [&](std::uint64_t field, std::uint64_t, std::string_view token) {
        if (field != 2) return;
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        read(token, [&](std::uint64_t part, std::uint64_t value, std::string_view) {
          if (part == 1) start = value;
          if (part == 2) end = value;
        });
        tokens->emplace(start, sql.substr(start, end - start));
      });
    }
    free_(result);
    return tokens;
  }

 private:
  static std::uint64_t varint(std::string_view& data) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; !data.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(data.front());
      data.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  template <typename Fn>
  static void read(std::string_view data, Fn&& each) {
    while (!data.empty()) {
      const auto key = varint(data);
      const auto value = varint(data);
      std::string_view bytes;
      if ((key & 7) == 2) {
        bytes = data.substr(0, value);
        data.remove_prefix(bytes.size());
      }
      each(key >> 3, value, bytes);
    }
  }

  void* library_;  // Stays loaded.
  ScanResult (*scan_)(const char*) = nullptr;
  void (*free_)(ScanResult) = nullptr;
};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// Letters in front of a quote belong to the string there and are a word here.
bool counts(const std::string& sql, std::size_t begin, std::string_view text) {
  if (text == ";") return true;
  const auto end = begin + text.size();
  return is_letter(text.front()) && text.find('\'') == text.npos && text.find('"') == text.npos &&
         (end == sql.size() || (sql[end] != '\'' && sql[end] != '&'));
}

using Words = std::map<std::size_t, std::string>;

Words words(const std::string& sql) {
  Words result;
  Lexer lexer(sql, testing::kPostgres);
  while (const auto token = lexer.next()) {
    if ((token->kind == TokenKind::word || token->is(';')) && counts(sql, token->begin, token->text)) {
      result.emplace(token->begin, token->text);
    }
  }
  return result;
}

TEST(Lexer, FindsTheWordsThatPostgresFinds) {
  const Scanner scanner;
  if (!scanner.is_there()) {
    ASSERT_EQ(std::getenv("CI"), nullptr) << "libpg_query is missing";
    GTEST_SKIP() << "libpg_query (apt: libpg-query-dev) is not installed";
  }
  std::size_t compared = 0;
  world::for_seeds(20'000, [&](std::uint64_t seed) {
    world::Random random(seed);
    const auto sql = testing::hard_text(random);
    const auto theirs = scanner.scan(sql);
    if (!theirs) return;
    ++compared;
    Words expected;
    for (const auto& [begin, text] : *theirs) {
      if (counts(sql, begin, text)) expected.emplace(begin, text);
    }
    ASSERT_EQ(words(sql), expected) << sql;
  });
  EXPECT_GT(compared, 2'000U);
}

}  // namespace
}  // namespace tidelock::sql
