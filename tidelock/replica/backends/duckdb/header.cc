#include "tidelock/replica/backends/duckdb/header.h"

#include <cstring>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::replica::duckdb {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kMagicOffset = 8;
constexpr char kMagic[] = {'D', 'U', 'C', 'K'};
constexpr std::size_t kFlagsOffset = 20;
constexpr std::uint64_t kEncryptedFlag = 1;
// In the other two pages.
constexpr std::size_t kIterationOffset = 8;
constexpr std::size_t kBlockCountOffset = 32;
constexpr std::size_t kBlockBytesOffset = 40;
constexpr std::uint64_t kMinBlockBytes = 16384;
constexpr std::uint64_t kMaxBlockBytes = 262144;

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

std::optional<Header> parse_page(std::span<const std::byte> page) {
  if (!checksum_is_right(page)) return std::nullopt;
  Header header;
  header.iteration = number_at(page, kIterationOffset);
  header.block_count = number_at(page, kBlockCountOffset);
  const auto block_bytes = number_at(page, kBlockBytesOffset);
  if (block_bytes < kMinBlockBytes || block_bytes > kMaxBlockBytes || block_bytes % kPageBytes != 0)
    return std::nullopt;
  header.block_bytes = static_cast<std::uint32_t>(block_bytes);
  return header;
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes) {
  constexpr std::uint64_t kFactor = 0xbf58476d1ce4e5b9;
  std::uint64_t sum = 5381;
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
    sum ^= number_at(bytes, at) * kFactor;
  }
  return sum;
}

bool checksum_is_right(std::span<const std::byte> page) {
  return number_at(page, 0) == checksum(page.subspan(kChecksumBytes));
}

bool is_duckdb(std::span<const std::byte> first_bytes) {
  return first_bytes.size() >= kMagicOffset + sizeof kMagic &&
         std::memcmp(first_bytes.data() + kMagicOffset, kMagic, sizeof kMagic) == 0;
}

std::optional<Header> read_header(base::File& file, const base::Path& path) {
  std::array<std::byte, kHeaderBytes> bytes{};
  const auto name = base::quoted(path.string());
  if (file.read_at(0, bytes) != bytes.size()) {
    throw Error(Code::corrupt, name + " is shorter than the header of a DuckDB database");
  }
  if (!is_duckdb(bytes)) throw Error(Code::not_a_database, name + " is no DuckDB database");
  if ((number_at(bytes, kFlagsOffset) & kEncryptedFlag) != 0) {
    throw Error(Code::not_a_database, name + " is encrypted, and a copy could not be checked without its key");
  }
  const std::span<const std::byte> all(bytes);
  if (!checksum_is_right(all.first(kPageBytes))) return std::nullopt;
  const auto first = parse_page(all.subspan(kPageBytes, kPageBytes));
  const auto second = parse_page(all.subspan(2 * kPageBytes, kPageBytes));
  auto header = !second || (first && first->iteration > second->iteration) ? first : second;
  if (header) header->bytes = bytes;
  return header;
}

}  // namespace tidelock::replica::duckdb
