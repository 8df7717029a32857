#include "tidelock/replica/turn.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tidelock/base/backoff.h"
#include "tidelock/base/error.h"
#include "tidelock/base/log.h"
#include "tidelock/base/text.h"

namespace tidelock::replica {
namespace {

using namespace std::chrono_literals;
using Kind = Folder::Entry::Kind;
using Json = nlohmann::ordered_json;

constexpr unsigned kReadOnlyMode = 0444;

// The number that a position, or a name, begins with.
std::uint64_t number_of(const std::string& position) {
  std::uint64_t number = 0;
  std::from_chars(position.data(), position.data() + position.size(), number);
  return number;
}

}  // namespace

// publisher.json.
struct Turn::State {
  lock::FencingToken token;
  std::uint64_t sequence = 0;
  std::string host;
  std::int64_t pid = 0;
  std::map<std::uint64_t, base::WallTime> replaced;
};

// The kernel's lock on publisher.lock: held for a look or a commit, never while a copy is made.
class Turn::Exclusive {
 public:
  explicit Exclusive(const Turn& turn) : file_(turn.files_.open(turn.folder_.lock(), base::OpenMode::create)) {
    auto& runtime = turn.runtime_;
    const auto deadline = runtime.in(turn.options_.patience);
    base::Backoff backoff({.base = 1ms, .cap = 50ms});
    while (!file_->try_lock(base::LockKind::exclusive)) {
      if (deadline.passed(runtime.now())) {
        throw Error(Code::timeout, base::quoted(turn.folder_.lock().string()) +
                                       " stays locked by another publisher: it hangs in the middle of its commit");
      }
      runtime.sleep_for(backoff.next(runtime.random()));
    }
  }

 private:
  std::unique_ptr<base::File> file_;  // Closing it unlocks.
};

Turn::Turn(base::Runtime& runtime, const Folder& folder, TurnOptions options)
    : runtime_(runtime), folder_(folder), files_(folder.files()), options_(std::move(options)) {
  const Exclusive exclusive(*this);
  check_fence();
  auto state = read_state();
  auto last = state.sequence;
  replaced_ = std::move(state.replaced);
  const auto current = folder_.current_sequence();
  for (const auto& entry : folder_.entries()) last = std::max(last, entry.sequence);
  sequence_ = std::max(last, current.value_or(0)) + 1;
  clean_up(current);
  if (current) before_ = manifest_of(*current);
  if (before_) retire(*current);
  write_state();
}

Turn::~Turn() {
  if (committed_) return;
  try {
    files_.remove(part());
  } catch (...) {  // The next publisher removes it.
  }
}

Manifest Turn::commit(Manifest manifest) {
  const Exclusive exclusive(*this);
  check_fence();
  manifest.version = {epoch_for(manifest), sequence_};
  manifest.token = options_.token;
  const auto& identity = runtime_.identity();
  manifest.owner = identity.owner;
  manifest.host = identity.host;
  manifest.pid = identity.pid;
  manifest.publish_time = runtime_.wall_now();
  try {
    make_current(manifest);
  } catch (const Error& error) {
    if (committed_) {
      throw Error(Code::unknown_outcome,
                  fmt::format("version {} is current, but may not survive a power cut: {}", sequence_, error.what()));
    }
    remove_version(sequence_);
    throw;
  }
  try {
    retire(sequence_);
    write_state();
  } catch (const Error&) {  // The new version stands. The next turn meets this error before it begins.
  }
  return manifest;
}

// Every step leaves the old version complete and current, until the rename of the link, which leaves the new one so.
void Turn::make_current(const Manifest& manifest) {
  const auto file = folder_.file(sequence_);
  remove_sidecars(file);
  remove_sidecars(folder_.current());
  files_.write_atomically(folder_.manifest(sequence_), manifest.to_json());
  files_.set_mode(folder_.manifest(sequence_), kReadOnlyMode);
  files_.set_mode(part(), kReadOnlyMode);
  files_.rename(part(), file);
  files_.sync_folder(folder_.versions());
  const auto link = folder_.new_link();
  files_.remove(link);
  files_.create_symlink(base::Path("versions") / file.filename(), link);
  options_.check_lease();
  files_.rename(link, folder_.current());
  committed_ = true;
  files_.sync_folder(folder_.path());
}

Turn::State Turn::read_state() const {
  if (!files_.info(folder_.state())) return {};
  try {
    const auto json = Json::parse(files_.read(folder_.state()));
    State state{.token = {json.at("token").get<std::int64_t>()},
                .sequence = json.at("sequence").get<std::uint64_t>(),
                .host = json.at("host").get<std::string>(),
                .pid = json.at("pid").get<std::int64_t>(),
                .replaced = {}};
    const auto replaced = json.value("replaced_us", Json::object());
    for (const auto& [sequence, us] : replaced.items()) {
      state.replaced.emplace(number_of(sequence), base::WallTime(base::WallTime::duration(us.get<std::int64_t>())));
    }
    return state;
  } catch (const Json::exception& error) {
    throw Error(Code::corrupt,
                base::quoted(folder_.state().string()) + " is damaged: remove it when no publisher runs, and publish",
                {.code = error.id, .message = error.what()}, folder_.state().string());
  }
}

void Turn::write_state() const {
  auto replaced = Json::object();
  for (const auto& [sequence, since] : replaced_) {
    replaced[std::to_string(sequence)] = since.time_since_epoch().count();
  }
  const Json json{{"token", options_.token.value},
                  {"sequence", sequence_},
                  {"host", runtime_.identity().host},
                  {"pid", runtime_.identity().pid},
                  {"since", base::format_wall_time(runtime_.wall_now())},
                  {"replaced_us", std::move(replaced)}};
  files_.write_atomically(folder_.state(), json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Turn::check_fence() const {
  options_.check_lease();
  const auto state = read_state();
  if (state.token <= options_.token) return;
  throw Error(Code::fenced,
              fmt::format("a newer publisher ({}:{}, token {}) works in {}; this one has token {}", state.host,
                          state.pid, state.token.value, base::quoted(folder_.path().string()), options_.token.value));
}

// Whoever left these has died or was fenced by this turn's token.
void Turn::clean_up(const std::optional<std::uint64_t>& current) const {
  files_.remove(folder_.new_link());
  remove_sidecars(folder_.current());
  for (const auto& entry : folder_.entries()) {
    const bool is_later = current && entry.sequence > *current;
    switch (entry.kind) {
      case Kind::part:
      case Kind::temporary:
        files_.remove(folder_.versions() / entry.name);
        break;
      case Kind::file:
        if (!manifest_of(entry.sequence)) break;  // Somebody else's, and so is its log.
        remove_sidecars(folder_.file(entry.sequence));
        if (is_later) remove_version(entry.sequence);
        break;
      case Kind::manifest:
        if (!files_.info(folder_.file(entry.sequence)) && manifest_of(entry.sequence)) remove_version(entry.sequence);
        break;
    }
  }
}

void Turn::remove_version(std::uint64_t sequence) const {
  remove_sidecars(folder_.file(sequence));
  files_.remove(folder_.file(sequence));
  files_.remove(folder_.manifest(sequence));  // Last: without it the file would be taken for somebody else's.
}

void Turn::remove_sidecars(const base::Path& file) const {
  for (const auto& sidecar : Folder::sidecars(file)) files_.remove(sidecar);
}

std::optional<Manifest> Turn::manifest_of(std::uint64_t sequence) const {
  try {
    return folder_.read_manifest(sequence);
  } catch (const Error& error) {
    if (error.code() == Code::not_found || error.code() == Code::corrupt) return std::nullopt;
    throw;
  }
}

base::Uuid Turn::epoch_for(const Manifest& manifest) const {
  const bool is_same_file = before_ && before_->engine == manifest.engine && before_->master == manifest.master &&
                            before_->master_inode == manifest.master_inode;
  const bool goes_on = is_same_file && number_of(before_->position) <= number_of(manifest.position);
  return goes_on ? before_->version.epoch : base::uuid_v7(runtime_);
}

// A plain open by the link resolves it first and opens the file then: a version stays for a while after it was
// replaced. Its time begins when a turn first sees that it was, which is the commit that did it, unless that died.
void Turn::retire(std::uint64_t current) {
  const auto now = runtime_.wall_now();
  const auto entries = folder_.entries();
  std::map<std::uint64_t, base::WallTime> stay;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {  // The newest first.
    if (entry->kind != Kind::manifest || entry->sequence >= current || !manifest_of(entry->sequence)) continue;
    const auto since = replaced_.try_emplace(entry->sequence, now).first->second;
    const bool has_stayed = now - since >= kStay || now - since <= -kStay;  // Whichever way the wall clock was set.
    if (stay.size() + 1 >= options_.keep && has_stayed) {
      remove_version(entry->sequence);
    } else {
      stay.emplace(entry->sequence, since);
    }
  }
  replaced_ = std::move(stay);
}

}  // namespace tidelock::replica
