#include "tidelock/replica/folder.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::replica {
namespace {

constexpr std::size_t kDigits = 10;

// Ten digits that are not all zero.
std::optional<std::uint64_t> parse_sequence(std::string_view text) {
  if (text.size() != kDigits) return std::nullopt;
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + kDigits, sequence);
  if (error != std::errc() || end != text.data() + kDigits || sequence == 0) return std::nullopt;
  return sequence;
}

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == text.npos; }

std::optional<Folder::Entry> parse_entry(const std::string& name) {
  using Kind = Folder::Entry::Kind;
  const std::string_view view = name;
  const auto sequence = parse_sequence(view.substr(0, kDigits));
  if (!sequence) return std::nullopt;
  const auto rest = view.substr(kDigits);
  if (rest == ".db") return Folder::Entry{Kind::file, *sequence, name};
  if (rest == ".json") return Folder::Entry{Kind::manifest, *sequence, name};
  if (rest == ".json.tmp") return Folder::Entry{Kind::temporary, *sequence, name};
  constexpr std::string_view kPart = ".part";
  if (!rest.starts_with('.') || !rest.ends_with(kPart) || rest.size() <= kPart.size() + 1) return std::nullopt;
  if (!is_number(rest.substr(1, rest.size() - kPart.size() - 1))) return std::nullopt;
  return Folder::Entry{Kind::part, *sequence, name};
}

std::string name_of(std::uint64_t sequence, std::string_view suffix) {
  return fmt::format("{:010}{}", sequence, suffix);
}

}  // namespace

base::Path Folder::file(std::uint64_t sequence) const { return versions() / name_of(sequence, ".db"); }
base::Path Folder::manifest(std::uint64_t sequence) const { return versions() / name_of(sequence, ".json"); }
base::Path Folder::part(std::uint64_t sequence, lock::FencingToken token) const {
  return versions() / name_of(sequence, fmt::format(".{}.part", token.value));
}

std::optional<std::uint64_t> Folder::current_sequence() const {
  const auto info = files_.info(current());
  if (!info) return std::nullopt;
  if (info->kind == base::FileInfo::Kind::symlink) {
    base::Path target;
    try {
      target = files_.read_symlink(current());
    } catch (const Error& error) {  // Gone meanwhile.
      if (error.code() == Code::not_found) return std::nullopt;
      throw;
    }
    const auto entry = target.parent_path() == "versions" ? parse_entry(target.filename().string()) : std::nullopt;
    if (entry && entry->kind == Entry::Kind::file) return entry->sequence;
  }
  throw Error(Code::already_exists,
              base::quoted(current().string()) + " is not a link that a publisher made: move it away");
}

Manifest Folder::read_manifest(std::uint64_t sequence) const {
  const auto path = manifest(sequence);
  const auto text = files_.read(path);
  try {
    auto parsed = Manifest::parse(text);
    if (parsed.version.sequence == sequence) return parsed;
    throw Error(Code::corrupt, fmt::format("the manifest is of version {}", parsed.version.sequence));
  } catch (const Error& error) {
    throw Error(error.code(), base::quoted(path.string()) + ": " + error.message());
  }
}

std::vector<Folder::Entry> Folder::entries() const {
  std::vector<Entry> found;
  if (!files_.info(versions())) return found;
  for (const auto& name : files_.list(versions())) {
    if (auto entry = parse_entry(name)) found.push_back(*std::move(entry));
  }
  return found;
}

std::vector<base::Path> Folder::sidecars(const base::Path& file) {
  std::vector<base::Path> all;
  for (const auto* suffix : {".wal", ".wal.checkpoint", ".wal.recovery", "-journal", "-wal", "-shm"}) {
    all.push_back(file);
    all.back() += suffix;
  }
  return all;
}

}  // namespace tidelock::replica
