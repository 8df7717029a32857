#include "tidelock/replica/backends/sqlite/engine.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/replica/backends/sqlite/backup.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::replica::sqlite {
namespace {

constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr std::uint32_t kBlockBytes = 262144;  // What is hashed at once; no page of SQLite's.
// In the header of the file, https://www.sqlite.org/fileformat.html
constexpr std::size_t kFormatOffset = 18;  // Two bytes: to write, to read. 1: rollback journal, 2: WAL.
constexpr std::size_t kChangesOffset = 24;
constexpr std::size_t kHeaderBytes = 100;
// Of the write-ahead log: a shorter one holds nothing.
constexpr std::uint64_t kLogHeaderBytes = 32;

std::uint64_t big_endian(std::span<const std::byte> bytes) {
  std::uint64_t number = 0;
  for (const auto byte : bytes) number = number << 8 | std::to_integer<std::uint64_t>(byte);
  return number;
}

// Of the whole file, at the moment in which each block is read: says only whether it is the same file.
std::string fingerprint(base::File& file) {
  BlockHash all;
  std::vector<std::byte> block(kBlockBytes);
  for (std::uint64_t number = 0;; ++number) {
    const auto count = file.read_at(number * kBlockBytes, block);
    if (count == 0) return all.to_string();
    const auto hash = BlockHash::of(number, std::span(block).first(count));
    all.high ^= hash.high;
    all.low ^= hash.low;
  }
}

// In WAL mode the counter stands still, whether something is committed or the log is brought into the file; and a log
// that begins anew is no longer than it was.
std::string fingerprint_with_log(base::Files& files, base::File& file, const base::Path& path) {
  auto text = fingerprint(file) + "/";
  try {
    const auto log = files.open(base::Path(path) += "-wal", base::OpenMode::read);
    return log->size() < kLogHeaderBytes ? text : text + fingerprint(*log);  // Made by who opened it, and empty.
  } catch (const Error& error) {
    if (error.code() == Code::not_found) return text;  // Whoever had it open last took it away.
    throw;
  }
}

void set_rollback_mode(base::File& file) {
  constexpr std::array kRollback{std::byte{1}, std::byte{1}};
  file.write_at(kFormatOffset, kRollback);
}

void hash(base::File& file, Copied& copied) {
  copied.size_bytes = file.size();
  copied.block_bytes = kBlockBytes;
  std::vector<std::byte> block(kBlockBytes);
  for (std::uint64_t at = 0; at < copied.size_bytes; at += kBlockBytes) {
    const auto count = file.read_at(at, block);
    copied.blocks.push_back(BlockHash::of(copied.blocks.size(), std::span(block).first(count)));
  }
}

class QuickChecker final : public Checker {
 public:
  QuickChecker(base::Runtime& runtime, base::Files& files) : runtime_(runtime), files_(files) {}

  void check(const base::Path& copy, const Copied&, const std::stop_token& stop) override {
    base::Url url;
    url.scheme = "sqlite";
    url.path = copy.string();
    url.params = {{"mode", "ro"}};
    const auto database = sql::open(runtime_, files_, url, {.max_connections = 1});
    auto connection = database->connect();
    auto reading = connection.begin({.read_only = true, .stop = stop});
    const auto verdict = reading.one<std::string>("select quick_check from pragma_quick_check(1)");
    if (verdict == "ok") return;
    throw Error(Code::corrupt, "the copy does not pass SQLite's check", {.code = 0, .message = verdict}, copy.string());
  }

 private:
  base::Runtime& runtime_;
  base::Files& files_;
};

}  // namespace

bool Engine::owns(std::span<const std::byte> first_bytes) const {
  return first_bytes.size() >= kMagic.size() && std::memcmp(first_bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

MasterState Engine::look(const base::Path& master) {
  std::array<std::byte, kHeaderBytes> header{};
  const auto file = files_.open(master, base::OpenMode::read);
  if (file->read_at(0, header) < kHeaderBytes || !owns(header)) {
    throw Error(Code::not_a_database, base::quoted(master.string()) + " is no SQLite database");
  }
  auto position = std::to_string(big_endian(std::span<const std::byte>(header).subspan(kChangesOffset, 4)));
  const bool in_wal_mode = header[kFormatOffset] != std::byte{1};
  if (in_wal_mode) position += "/" + fingerprint_with_log(files_, *file, master);
  return {.engine = {}, .position = std::move(position), .log_bytes = 0};
}

Copied Engine::copy(const CopyRequest& request, const std::stop_token& stop) {
  Copied copied;
  copied.position = look(request.master).position;  // Before: what is committed from here on may be in the copy too.
  files_.open(request.copy, base::OpenMode::create_new);
  backup(runtime_, request.master, request.copy, request.patience, stop);
  const auto file = files_.open(request.copy, base::OpenMode::read_write);
  set_rollback_mode(*file);
  hash(*file, copied);
  return copied;
}

std::unique_ptr<Checker> Engine::make_checker() { return std::make_unique<QuickChecker>(runtime_, files_); }

}  // namespace tidelock::replica::sqlite
