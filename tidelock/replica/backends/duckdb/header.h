// The first 12 KiB of a DuckDB file, as far as a copy needs them.
//
// Three pages of 4 KiB, each beginning with its own checksum: one that says what the file is, and two that say where
// the database stands, of which the one with the higher iteration counts. A checkpoint writes its blocks to places that
// the last one does not use, then the page of the lower iteration. So while the iteration stays, what it refers to
// stays. (DuckDB, src/storage/single_file_block_manager.cpp.)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "tidelock/base/files.h"

namespace tidelock::replica::duckdb {

inline constexpr std::uint32_t kHeaderBytes = 12288;

// The engine's checksum of a page or block: its first 8 bytes, over the rest. Blind to order and place.
std::uint64_t checksum(std::span<const std::byte> bytes);
bool checksum_is_right(std::span<const std::byte> page);

struct Header {
  std::uint64_t iteration = 0;
  std::uint64_t block_count = 0;
  std::uint32_t block_bytes = 0;
  std::array<std::byte, kHeaderBytes> bytes{};

  std::uint64_t file_bytes() const { return kHeaderBytes + block_count * block_bytes; }
};

bool is_duckdb(std::span<const std::byte> first_bytes);

// Empty while it is being written, or damaged. Errors: not_a_database (also for an encrypted one), corrupt (shorter
// than a header).
std::optional<Header> read_header(base::File& file, const base::Path& path);

}  // namespace tidelock::replica::duckdb
