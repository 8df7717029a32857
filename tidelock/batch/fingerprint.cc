#include "tidelock/batch/fingerprint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <string>
#include <type_traits>
#include <variant>

namespace tidelock::batch {
namespace {

// A length before each text, so that no two rows have the same bytes.
void append_bytes(std::string& out, std::string_view bytes) {
  const std::uint64_t length = bytes.size();
  out.append(reinterpret_cast<const char*>(&length), sizeof(length));
  out.append(bytes);
}

template <typename Number>
void append_number(std::string& out, Number number) {
  static_assert(sizeof(number) == sizeof(std::uint64_t));
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

struct Append {
  std::string& out;
  void operator()(sql::Null) const {}
  void operator()(bool value) const { out.push_back(value ? '\1' : '\0'); }
  void operator()(std::int64_t value) const { append_number(out, value); }
  void operator()(double value) const { append_number(out, value); }
  void operator()(const sql::DecimalView& value) const { append_bytes(out, value.text); }
  void operator()(std::string_view value) const { append_bytes(out, value); }
  void operator()(const sql::BlobView& value) const {
    append_bytes(out, {reinterpret_cast<const char*>(value.data()), value.size()});
  }
  void operator()(sql::Date value) const { append_number(out, std::int64_t{value.time_since_epoch().count()}); }
  void operator()(sql::TimeOfDay value) const { append_number(out, std::int64_t{value.since_midnight.count()}); }
  void operator()(sql::Timestamp value) const { append_number(out, std::int64_t{value.time_since_epoch().count()}); }
  void operator()(const base::Uuid& value) const {
    out.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  }
  void operator()(const sql::JsonView& value) const { append_bytes(out, value.text); }
};

}  // namespace

struct Fingerprint::State {
  XXH3_state_t hash;
  std::string row;
};

Fingerprint::Fingerprint() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->hash); }
Fingerprint::~Fingerprint() = default;

void Fingerprint::add(std::span<const sql::ValueView> row) {
  auto& bytes = state_->row;
  bytes.clear();
  for (const auto& value : row) {
    bytes.push_back(static_cast<char>(value.index()));
    std::visit(Append{bytes}, value);
  }
  bytes.push_back('\n');
  XXH3_64bits_update(&state_->hash, bytes.data(), bytes.size());
}

std::uint64_t Fingerprint::digest() const { return XXH3_64bits_digest(&state_->hash); }

}  // namespace tidelock::batch
