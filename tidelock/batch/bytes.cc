#include "tidelock/batch/bytes.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"

namespace tidelock::batch {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;

// A file as it is, watched for changes: reads as many bytes as it had when it was opened.
class PlainBytes final : public Bytes {
 public:
  PlainBytes(base::Files& files, const base::Path& path)
      : files_(files),
        path_(path),
        before_(files.info(path)),
        file_(files.open(path, base::OpenMode::read)),
        size_(file_->size()) {}

  std::size_t read(std::span<std::byte> out) override {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - at_));
    const auto count = wanted == 0 ? 0 : file_->read_at(at_, out.first(wanted));
    at_ += count;
    if (at_ == size_ || count < wanted) check_unchanged();
    return count;
  }

  std::size_t peek(std::span<std::byte> out) { return file_->read_at(0, out); }
  const base::Path& path() const { return path_; }

 private:
  void check_unchanged() {
    const auto size = file_->size();
    if (size != size_) {
      throw Error(Code::unavailable,
                  fmt::format("{} went from {} to {} bytes while it was read: something still writes "
                              "to it; resume the run when it is whole",
                              path_.string(), size_, size));
    }
    const auto now = files_.info(path_);
    const auto refuse = [&](const char* what) {
      throw Error(Code::unavailable,
                  fmt::format("{} was {} while it was read; resume the run when it is whole", path_.string(), what));
    };
    if (!now) refuse("removed");
    if (!before_ || now->inode != before_->inode) refuse("replaced");
    if (now->change_stamp != before_->change_stamp) refuse("written to");
  }

  base::Files& files_;
  const base::Path path_;
  const std::optional<base::FileInfo> before_;
  const std::unique_ptr<base::File> file_;
  const std::uint64_t size_;
  std::uint64_t at_ = 0;
};

[[noreturn]] void refuse(const base::Path& path, const char* what, const char* why) {
  throw Error(Code::corrupt, fmt::format("{}: the {} data is damaged: {}", path.string(), what, why));
}

// Compressed bytes as they come from the file.
class Input {
 public:
  explicit Input(std::unique_ptr<PlainBytes> bytes) : bytes_(std::move(bytes)), buffer_(kBlockBytes) {}

  // False at the end of the file.
  bool fill() {
    if (begin_ < end_) return true;
    begin_ = 0;
    end_ = bytes_->read(buffer_);
    return end_ > 0;
  }
  std::span<std::byte> rest() { return std::span(buffer_).subspan(begin_, end_ - begin_); }
  void consume(std::size_t count) { begin_ += count; }
  const base::Path& path() const { return bytes_->path(); }

 private:
  std::unique_ptr<PlainBytes> bytes_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// RFC 1952; several members one after the other are one file, as for gunzip.
class GzipBytes final : public Bytes {
 public:
  explicit GzipBytes(std::unique_ptr<PlainBytes> bytes) : input_(std::move(bytes)) {
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw Error(Code::unavailable, "no memory to decompress");
  }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;
  ~GzipBytes() override { inflateEnd(&stream_); }

  std::size_t read(std::span<std::byte> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out == out.size()) {
      if (!input_.fill()) {
        if (inside_) refuse(input_.path(), "gzip", "it ends in the middle");
        return 0;
      }
      step();
    }
    return out.size() - stream_.avail_out;
  }

 private:
  static constexpr int kGzipOnly = 15 + 16;  // The largest window, with a gzip header.

  void step() {
    const auto rest = input_.rest();
    stream_.next_in = reinterpret_cast<Bytef*>(rest.data());
    stream_.avail_in = static_cast<uInt>(rest.size());
    inside_ = true;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      refuse(input_.path(), "gzip", stream_.msg != nullptr ? stream_.msg : "no gzip stream");
    }
    input_.consume(rest.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_ = false;
      inflateReset(&stream_);
    }
  }

  Input input_;
  z_stream stream_{};
  bool inside_ = false;  // A member has begun and not ended.
};

class ZstdBytes final : public Bytes {
 public:
  explicit ZstdBytes(std::unique_ptr<PlainBytes> bytes) : input_(std::move(bytes)), stream_(ZSTD_createDStream()) {
    if (!stream_) throw Error(Code::unavailable, "no memory to decompress");
  }

  std::size_t read(std::span<std::byte> out) override {
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    for (;;) {
      const bool more = input_.fill();
      const auto rest = input_.rest();
      ZSTD_inBuffer in{rest.data(), rest.size(), 0};
      if (more || inside_) {
        const auto result = ZSTD_decompressStream(stream_.get(), &output, &in);
        if (ZSTD_isError(result)) refuse(input_.path(), "zstd", ZSTD_getErrorName(result));
        inside_ = result != 0;
        input_.consume(in.pos);
      }
      if (output.pos > 0) return output.pos;
      if (!more && inside_) refuse(input_.path(), "zstd", "it ends in the middle");
      if (!more) return 0;
    }
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  Input input_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool inside_ = false;  // A frame has begun and not ended.
};

}  // namespace

std::unique_ptr<Bytes> open_bytes(base::Files& files, const base::Path& path) {
  auto plain = std::make_unique<PlainBytes>(files, path);
  std::array<std::byte, 4> magic{};
  const auto count = plain->peek(magic);
  const auto begins_with = [&](std::initializer_list<unsigned char> bytes) {
    return count >= bytes.size() &&
           std::equal(bytes.begin(), bytes.end(), magic.begin(), [](auto a, auto b) { return std::byte{a} == b; });
  };
  if (begins_with({0x1f, 0x8b})) return std::make_unique<GzipBytes>(std::move(plain));
  if (begins_with({0x28, 0xb5, 0x2f, 0xfd})) return std::make_unique<ZstdBytes>(std::move(plain));
  return plain;
}

}  // namespace tidelock::batch
