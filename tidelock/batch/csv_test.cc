#include "tidelock/batch/csv.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/testing/error_text.h"
#include "tidelock/batch/testing/packed.h"
#include "tidelock/world/testing.h"

namespace tidelock::batch {
namespace {

using namespace std::string_literals;
using base::testing::error_text;
using ::testing::ElementsAre;
using testing::gzip;
using ::testing::HasSubstr;
using testing::zstd;

using Fields = std::vector<std::string>;  // "-" for nothing.

struct Read {
  std::vector<std::string> header;
  std::vector<Fields> rows;
  std::vector<std::uint64_t> lines;
};

Read read(base::Files& files, const std::string& content) {
  files.write_atomically("/a.csv", content);
  CsvReader reader(files, "/a.csv");
  Read result{reader.header(), {}, {}};
  CsvRow row;
  while (reader.next(row)) {
    result.rows.emplace_back();
    for (const auto& field : row.fields) result.rows.back().emplace_back(field ? std::string(*field) : "-");
    result.lines.push_back(row.line);
  }
  return result;
}

WORLD_TEST(Csv, ReadsRowsWithTheirLines) {
  const auto result = read(files, "a,b\n1,2\n\n\"x\ny\",\"say \"\"hi\"\"\"\r\n,\"\"\r\n last , no end");
  EXPECT_THAT(result.header, ElementsAre("a", "b"));
  EXPECT_THAT(result.rows, ElementsAre(Fields{"1", "2"}, Fields{"x\ny", "say \"hi\""}, Fields{"-", ""},
                                       Fields{" last ", " no end"}));
  EXPECT_THAT(result.lines, ElementsAre(2, 4, 6, 7));
}

WORLD_TEST(Csv, DropsAByteOrderMark) {
  EXPECT_THAT(read(files,
                   "\xef\xbb\xbf"
                   "a\n1\n")
                  .header,
              ElementsAre("a"));
}

WORLD_TEST(Csv, HandsOutRowsOfTheWrongLength) {
  EXPECT_THAT(read(files, "a,b\n1\n1,2,3\n").rows, ElementsAre(Fields{"1"}, Fields{"1", "2", "3"}));
}

WORLD_TEST(Csv, RefusesWhatNobodyCanRead) {
  const auto text_of = [&](const std::string& content) { return error_text([&] { read(files, content); }); };
  EXPECT_THAT(text_of(""), HasSubstr("/a.csv:1: the file is empty; its first line must name the columns"));
  EXPECT_THAT(text_of("\xff\xfe"
                      "a\0\n\0"s),
              HasSubstr("/a.csv:1: the file is UTF-16; convert it"));
  EXPECT_THAT(text_of("a,,b\n"), HasSubstr("/a.csv:1: column 2 has no name"));
  EXPECT_THAT(text_of("a,b,a\n"), HasSubstr("the column \"a\" comes twice"));
  EXPECT_THAT(text_of("a\0b\n"s), HasSubstr("not UTF-8 text"));
  EXPECT_THAT(text_of("a,b\n1,2\n3,4\"5\n"), HasSubstr("/a.csv:3: a quote inside a field"));
  EXPECT_THAT(text_of("a,b\n1,2\n\"3\"x,4\n"), HasSubstr("/a.csv:3: a quote inside a field"));
  EXPECT_THAT(text_of("a,b\n1,2\n\"3,4\n5,6\n"), HasSubstr("/a.csv:3: a quoted field of the row that begins here"));
}

WORLD_TEST(Csv, AFileThatGrowsOrIsReplacedOrWrittenToWhileItIsReadIsRefused) {
  files.write_atomically("/a.csv", "a\n1\n");
  CsvReader growing(files, "/a.csv");
  files.open("/a.csv", base::OpenMode::read_write)->write_at(4, std::as_bytes(std::span("2\n", 2)));
  CsvRow row;
  EXPECT_THAT(error_text([&] {
                while (growing.next(row)) {
                }
              }),
              HasSubstr("/a.csv went from 4 to 6 bytes while it was read: something still writes to it"));

  CsvReader replaced(files, "/a.csv");
  files.write_atomically("/a.csv", "a\n3\n4\n");
  EXPECT_THAT(error_text([&] {
                while (replaced.next(row)) {
                }
              }),
              HasSubstr("/a.csv was replaced while it was read"));

  CsvReader changed(files, "/a.csv");
  files.open("/a.csv", base::OpenMode::read_write)->write_at(2, std::as_bytes(std::span("7", 1)));
  EXPECT_THAT(error_text([&] {
                while (changed.next(row)) {
                }
              }),
              HasSubstr("/a.csv was written to while it was read; resume the run when it is whole"));
}

std::string long_csv() {
  std::string text = "a,b\n";
  for (int i = 0; i < 100'000; ++i)
    text += std::to_string(i) + ",\"text " + std::to_string(i * 7919 % 100'003) + "\"\n";
  return text;
}

WORLD_TEST(Csv, ReadsCompressedFilesOfAnySize) {
  const auto plain = read(files, long_csv());
  EXPECT_EQ(plain.rows.size(), 100'000);
  EXPECT_EQ(plain.lines.back(), 100'001);
  EXPECT_EQ(read(files, gzip(long_csv())).rows, plain.rows);
  EXPECT_EQ(read(files, zstd(long_csv())).rows, plain.rows);
  // Several parts, one after the other.
  const auto half = long_csv().find('\n', 500'000) + 1;
  EXPECT_EQ(read(files, gzip(long_csv().substr(0, half)) + gzip(long_csv().substr(half))).rows, plain.rows);
  EXPECT_EQ(read(files, zstd(long_csv().substr(0, half)) + zstd(long_csv().substr(half))).rows, plain.rows);
}

WORLD_TEST(Csv, RefusesDamagedCompression) {
  for (const auto& whole : {gzip(long_csv()), zstd(long_csv())}) {
    EXPECT_THAT(error_text([&] { read(files, whole.substr(0, whole.size() / 2)); }),
                HasSubstr("it ends in the middle"));
    auto damaged = whole;
    damaged[whole.size() / 2] = static_cast<char>(damaged[whole.size() / 2] ^ 0x55);
    EXPECT_THAT(error_text([&] { read(files, damaged); }), HasSubstr("/a.csv"));
  }
}

}  // namespace
}  // namespace tidelock::batch
