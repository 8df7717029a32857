#include "tidelock/batch/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/batch/testing/packed.h"
#include "tidelock/world/testing.h"

namespace tidelock::batch {
namespace {

using testing::gzip;
using ::testing::HasSubstr;
using testing::zstd;

// In pieces of this size.
std::string read_all(Bytes& bytes, std::size_t piece) {
  std::string all;
  std::vector<std::byte> buffer(piece);
  while (const auto count = bytes.read(buffer)) all.append(reinterpret_cast<const char*>(buffer.data()), count);
  return all;
}

std::string some_text(std::size_t size) {
  std::string text;
  for (std::uint64_t noise = 1; text.size() < size; noise = noise * 6364136223846793005U + 1442695040888963407U) {
    text += std::to_string(noise >> 40);
  }
  text.resize(size);
  return text;
}

std::string why(base::Files& files, Code code) {
  try {
    read_all(*open_bytes(files, "/x"), 1000);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.message();
  }
  return "no error";
}

WORLD_TEST(Bytes, AreTheSameHoweverTheyAreCompressedAndInWhateverPiecesTheyAreRead) {
  for (const std::size_t size : {0, 1, 3, 4, 5, 1000, 600'000}) {
    const auto text = some_text(size);
    for (const auto& content : {text, gzip(text), zstd(text)}) {
      files.write_atomically("/x", content);
      for (const std::size_t piece : {1, 7, 65'536, 1'000'000}) {
        if (piece == 1 && size > 1000) continue;
        EXPECT_EQ(read_all(*open_bytes(files, "/x"), piece), text) << size << " in pieces of " << piece;
      }
    }
  }
}

WORLD_TEST(Bytes, OfSeveralPartsAreOneFile) {
  files.write_atomically("/x", gzip("one ") + gzip("") + gzip("two"));
  EXPECT_EQ(read_all(*open_bytes(files, "/x"), 3), "one two");
  files.write_atomically("/x", zstd("one ") + zstd("") + zstd("two"));
  EXPECT_EQ(read_all(*open_bytes(files, "/x"), 3), "one two");
}

WORLD_TEST(Bytes, ThatOnlyBeginAsCompressedOnesDoAreRefusedAsDamaged) {
  files.write_atomically("/x", "\x1f\x8bplain");
  EXPECT_THAT(why(files, Code::corrupt), HasSubstr("/x: the gzip data is damaged: "));
  files.write_atomically("/x", "\x28\xb5\x2f\xfdplain");
  EXPECT_THAT(why(files, Code::corrupt), HasSubstr("/x: the zstd data is damaged: "));
  files.write_atomically("/x", gzip("text") + "more");
  EXPECT_THAT(why(files, Code::corrupt), HasSubstr("/x: the gzip data is damaged: "));
}

WORLD_TEST(Bytes, CutAnywhereAreRefused) {
  const auto text = some_text(3000);
  for (const auto& whole : {gzip(text), zstd(text)}) {
    for (std::size_t length = 5; length < whole.size(); length += 97) {
      files.write_atomically("/x", whole.substr(0, length));
      EXPECT_THAT(why(files, Code::corrupt), HasSubstr("it ends in the middle")) << length;
    }
  }
}

WORLD_TEST(Bytes, OfACompressedFileThatIsWrittenToMeanwhileAreRefused) {
  files.write_atomically("/x", zstd(some_text(100)));
  const auto bytes = open_bytes(files, "/x");
  const auto file = files.open("/x", base::OpenMode::read_write);
  std::byte last{};
  file->read_at(file->size() - 1, std::span(&last, 1));
  file->write_at(file->size() - 1, std::span(&last, 1));  // The same byte: only the file system tells.
  EXPECT_THROW_CODE(read_all(*bytes, 1000), Code::unavailable);
}

}  // namespace
}  // namespace tidelock::batch
