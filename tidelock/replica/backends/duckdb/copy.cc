#include "tidelock/replica/backends/duckdb/copy.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::replica::duckdb {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;  // About so much is read, hashed and written at once.
constexpr std::uint64_t kSyncBytes = 16 * kPieceBytes;     // So much at a time is on its way to the disk already.
constexpr int kReads = 10;                                 // Of a page that is being written.

}  // namespace

Header read_steady_header(base::Runtime& runtime, base::File& file, const base::Path& path) {
  for (int read = 0; read < kReads; ++read) {
    if (auto header = read_header(file, path)) return *std::move(header);
    runtime.sleep_for(1ms);
  }
  throw Error(Code::corrupt, base::quoted(path.string()) + ": the header of the database is damaged");
}

std::uint64_t log_bytes(base::Files& files, const base::Path& master) {
  auto log = master;
  log += ".wal";
  const auto info = files.info(log);
  return info ? info->size_bytes : 0;
}

Copied Copy::run() {
  const auto deadline = runtime_.in(request_.patience);
  master_ = files_.open(request_.master, base::OpenMode::read);
  copy_ = files_.open(request_.copy, base::OpenMode::create_new);
  for (;;) {
    const auto header = read_steady_header(runtime_, *master_, request_.master);
    Copied copied;
    if (request_.hold == nullptr) copied.left_out_bytes = look_at_log(*master_);
    copy_blocks(header, copied);
    const auto after = read_header(*master_, request_.master);
    if (after && after->bytes == header.bytes) return copied;
    if (deadline.passed(runtime_.now())) {
      throw Error(Code::timeout, base::quoted(request_.master.string()) +
                                     " gets a checkpoint faster than it can be copied: publish from the process that "
                                     "owns it, which can hold them back");
    }
  }
}

// What is in the log is not in the file. With an owner that lives it is on its way; without one it would be lost.
std::uint64_t Copy::look_at_log(base::File& master) const {
  if (log_bytes(files_, request_.master) == 0) return 0;
  const bool has_owner = !master.try_lock(base::LockKind::shared);
  if (!has_owner) master.unlock();
  const auto bytes = log_bytes(files_, request_.master);  // An owner that ended just now took it away.
  if (has_owner || bytes == 0) return bytes;
  throw Error(
      Code::unsupported,
      base::quoted(request_.master.string()) +
          " has a log (.wal) that no process has brought into the file, so a copy would lack what it holds: open "
          "the database once with a program that writes it, and publish then");
}

void Copy::copy_blocks(const Header& header, Copied& copied) {
  copied.size_bytes = header.file_bytes();
  copied.header_bytes = kHeaderBytes;
  copied.block_bytes = header.block_bytes;
  copied.position = std::to_string(header.iteration);
  copied.blocks.resize(header.block_count + 1);
  copied.blocks[0] = BlockHash::of(0, header.bytes);
  copy_->truncate(copied.size_bytes);
  copy_->write_at(0, header.bytes);

  // Two tasks, so that one hashes while the other one reads and writes.
  std::atomic<std::uint64_t> next = kHeaderBytes;
  std::exception_ptr failure;
  {
    auto helper = runtime_.spawn("copy", [&](const std::stop_token& stop) {
      try {
        copy_pieces(copied, next, stop);
      } catch (...) {
        failure = std::current_exception();
      }
    });
    copy_pieces(copied, next, stop_);
    helper.join();
  }
  if (failure) std::rethrow_exception(failure);
  copied.doubtful_blocks = read_again(copied);
}

void Copy::copy_pieces(Copied& copied, std::atomic<std::uint64_t>& next, const std::stop_token& stop) {
  const auto piece_bytes = std::max<std::size_t>(kPieceBytes / copied.block_bytes, 1) * copied.block_bytes;
  std::vector<std::byte> piece(piece_bytes);
  for (;;) {
    const auto at = next.fetch_add(piece_bytes);
    if (at >= copied.size_bytes) return;
    check_stop(stop);
    copy_piece(at, std::span(piece).first(std::min<std::uint64_t>(piece_bytes, copied.size_bytes - at)), copied);
    const auto written = at + piece_bytes - kHeaderBytes;
    if (written % kSyncBytes < piece_bytes) copy_->start_sync({.offset = 0, .length = at});
  }
}

void Copy::copy_piece(std::uint64_t at, std::span<std::byte> piece, Copied& copied) {
  const auto count = master_->read_at(at, piece);
  std::fill(piece.begin() + static_cast<std::ptrdiff_t>(count), piece.end(), std::byte{});
  auto number = (at - kHeaderBytes) / copied.block_bytes + 1;
  for (std::size_t begin = 0; begin < piece.size(); begin += copied.block_bytes, ++number) {
    const auto block = piece.subspan(begin, copied.block_bytes);
    copied.blocks[number] = BlockHash::of(number, block);
    if (checksum_is_right(block)) continue;
    const base::LocalGuard guard(mutex_);
    suspects_.push_back(number);
  }
  copy_->write_at(at, piece);
}

// A block may be read while it is written: one that is not in use yet, or one of metadata, which grows in place.
std::uint64_t Copy::read_again(Copied& copied) {
  std::vector<std::uint64_t> suspects;
  {
    const base::LocalGuard guard(mutex_);
    suspects.swap(suspects_);
  }
  std::vector<std::byte> block(copied.block_bytes);
  for (int read = 0; read < kReads && !suspects.empty(); ++read) {
    runtime_.sleep_for(1ms);
    std::erase_if(suspects, [&](std::uint64_t number) {
      const auto at = kHeaderBytes + (number - 1) * block.size();
      if (master_->read_at(at, block) != block.size() || !checksum_is_right(block)) return false;
      copied.blocks[number] = BlockHash::of(number, block);
      copy_->write_at(at, block);
      return true;
    });
  }
  return suspects.size();
}

void Copy::check_stop(const std::stop_token& stop) const {
  if (stop.stop_requested()) throw Error(Code::cancelled, "copying " + request_.master.string() + " was stopped");
}

}  // namespace tidelock::replica::duckdb
