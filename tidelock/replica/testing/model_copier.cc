#include "tidelock/replica/testing/model_copier.h"

#include <array>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::replica::testing {
namespace {

constexpr std::uint32_t kBlockBytes = 8192;

}  // namespace

Copied ModelCopier::make(const CopyRequest& request, const std::stop_token& stop) {
  const auto master = files_.open(request.master, base::OpenMode::read);
  const auto copy = files_.open(request.copy, base::OpenMode::create_new);
  Copied copied;
  copied.engine = "sqlite";
  copied.size_bytes = master->size();
  copied.block_bytes = kBlockBytes;
  std::array<std::byte, kBlockBytes> block{};
  for (std::uint64_t at = 0; at < copied.size_bytes; at += kBlockBytes) {
    if (stop.stop_requested()) throw Error(Code::cancelled, "stopped");
    const auto bytes = std::span(block).first(master->read_at(at, block));
    if (at == 0) bytes[18] = bytes[19] = std::byte{1};  // Rollback mode.
    copied.blocks.push_back(BlockHash::of(copied.blocks.size(), bytes));
    copy->write_at(at, bytes);
  }
  master->read_at(0, block);
  unsigned changes = 0;  // SQLite's change counter.
  for (int i = 24; i < 28; ++i) changes = changes << 8 | std::to_integer<unsigned>(block[static_cast<std::size_t>(i)]);
  copied.position = std::to_string(changes);
  copy->sync();
  const auto database =
      sql::open(runtime_, files_, base::Url::parse("sqlite:" + request.copy.string() + "?mode=ro"), {});
  database->one<std::int64_t>("select generation from state");
  return copied;
}

}  // namespace tidelock::replica::testing
