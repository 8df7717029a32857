#include "tidelock/sql/backends/sqlite/handle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/backends/sqlite/errors.h"
#include "tidelock/sql/backends/sqlite/lock_holders.h"

namespace tidelock::sql::sqlite {
namespace {

using namespace std::chrono_literals;

// Instructions of SQLite's machine between two looks at the clock: some tens of microseconds.
constexpr int kInstructionsPerLook = 1000;
// Waiting for a lock: the first pause, doubled with each, up to the longest. Each is shortened by up to half at random.
constexpr base::Duration kFirstPause = 50us;
constexpr base::Duration kLongestPause = 10ms;

// Pragmas that are told something and leave nothing on the connection: they ask about what they are told, or write the
// database.
constexpr std::array<std::string_view, 15> kPassing = {
    "application_id", "foreign_key_check", "foreign_key_list", "incremental_vacuum", "index_info",
    "index_list",     "index_xinfo",       "integrity_check",  "optimize",           "quick_check",
    "table_info",     "table_list",        "table_xinfo",      "user_version",       "wal_checkpoint"};

// As SQLite reads it: what is no number is 0, and so is a negative one.
std::uint32_t count_of(std::string_view text) {
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc::result_out_of_range ? std::numeric_limits<std::uint32_t>::max() : count;
}

// https://www.sqlite.org/uri.html: what is not plain is written as %XX.
std::string immutable_uri(std::string_view path) {
  std::string uri = "file:";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = base::ascii::is_letter_or_digit(c) || c == '/' || c == '.' || c == '-' || c == '_';
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return uri + "?immutable=1";
}

}  // namespace

Handle::Handle(const Place& place, base::Deadline deadline)
    : place_(place),
      wake_(place.runtime.make_signal("the lock of " + place.path)),
      busy_timeout_(place.busy_timeout),
      deadline_(deadline) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
  flags |= place.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (!place.must_exist && !place.read_only) flags |= SQLITE_OPEN_CREATE;
  if (place.immutable) flags |= SQLITE_OPEN_URI;
  const auto name = place.immutable ? immutable_uri(place.path) : place.path;
  const int result = sqlite3_open_v2(name.c_str(), &db_, flags, place.vfs ? place.vfs->name().c_str() : nullptr);
  if (result != SQLITE_OK) {
    auto failure = db_ != nullptr ? error(result, {}) : error_of(result, sqlite3_errstr(result), place.path);
    sqlite3_close_v2(db_);
    if (place.vfs != nullptr) place.vfs->rethrow_pending();
    throw failure;
  }
  sqlite3_busy_handler(
      db_, [](void* self, int attempt) { return static_cast<Handle*>(self)->wait_for_lock(attempt) ? 1 : 0; }, this);
  // Checkpoints are this backend's: see Session::checkpoint.
  sqlite3_wal_hook(
      db_,
      [](void* self, sqlite3*, const char* schema, int frames) {
        if (std::string_view(schema) == "main") {
          static_cast<Handle*>(self)->committed_frames_ = static_cast<std::uint32_t>(frames);
        }
        return SQLITE_OK;
      },
      this);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);  // "x" is a column, never silently a string.
}

Handle::~Handle() { sqlite3_close_v2(db_); }

void Handle::watch_user() {
  sqlite3_set_authorizer(
      db_,
      [](void* self, int action, const char* first, const char* second, const char* schema, const char*) {
        return static_cast<Handle*>(self)->authorize(action, first, second, schema);
      },
      this);
}

// Called while a statement is prepared, which is when pragmas take effect.
int Handle::authorize(int action, const char* first, const char* second, const char* schema) noexcept {
  switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      changed_ = true;
      break;
    case SQLITE_INSERT:  // Into the schema, for whatever is temporary.
      changed_ = changed_ || (schema != nullptr && std::string_view(schema) == "temp");
      break;
    case SQLITE_PRAGMA:
      if (second == nullptr ||
          std::ranges::any_of(kPassing, [&](auto name) { return base::ascii::equal_ignoring_case(first, name); }))
        break;
      changed_ = true;
      if (base::ascii::equal_ignoring_case(first, "busy_timeout")) {
        busy_timeout_ = std::chrono::milliseconds(count_of(second));
        return SQLITE_IGNORE;
      }
      if (base::ascii::equal_ignoring_case(first, "wal_autocheckpoint")) {
        const auto frames = count_of(second);
        checkpoint_frames_ = frames == 0 ? std::numeric_limits<std::uint32_t>::max() : frames;
        return SQLITE_IGNORE;
      }
      break;
    default:
      break;
  }
  return SQLITE_OK;
}

void Handle::check_pending() {
  if (place_.vfs != nullptr) place_.vfs->rethrow_pending();
  if (pending_ != nullptr) [[unlikely]]
    std::rethrow_exception(std::exchange(pending_, nullptr));
}

int Handle::try_step(sqlite3_stmt* statement) {
  const int result = sqlite3_step(statement);
  check_pending();
  return result;
}

StatementHandle Handle::prepare(std::string_view sql, unsigned flags, std::string_view* rest) {
  sqlite3_stmt* statement = nullptr;
  const char* end = nullptr;
  if (!std::in_range<int>(sql.size())) throw Error(Code::too_large, "a statement of more than 2 GiB");
  const int result = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), flags, &statement, &end);
  StatementHandle handle(statement);
  if (result != SQLITE_OK) fail(result, sql);
  if (rest != nullptr) *rest = sql.substr(static_cast<std::size_t>(end - sql.data()));
  return handle;
}

void Handle::run(std::string_view sql) {
  const auto statement = prepare(sql, 0);
  while (step(statement.get()) == SQLITE_ROW) {
  }
}

Error Handle::error(int result, std::string_view sql) {
  const auto primary = result & 0xff;
  const auto statement = base::quoted(sql);
  if (primary == SQLITE_INTERRUPT && timed_out_) {
    return Error(Code::timeout, "its time was over: " + statement, {result, sqlite3_errmsg(db_)});
  }
  if (primary == SQLITE_BUSY && cancelled_) {
    return Error(Code::cancelled, "stopped while it waited for the lock of " + place_.path);
  }
  if (primary == SQLITE_BUSY && meaning(result).code == Code::database_locked) {
    const Error::Native native{result, sqlite3_errmsg(db_)};
    if (const auto holders = lock_holders(place_); !holders.empty()) {
      return Error(Code::database_locked,
                   fmt::format("{} is held by {}: one transaction at a time may write an SQLite file; wait for it to "
                               "end, or give a longer busy_timeout",
                               base::quoted(place_.path), holders),
                   native, place_.path);
    }
  }
  const bool file = sql.empty() || concerns_the_file(meaning(result).code);
  return error_of(result, sqlite3_errmsg(db_), file ? place_.path : statement);
}

Error Handle::error_of_commit(int result, std::string_view sql) {
  if (!may_be_applied(result)) return error(result, sql);
  return Error(Code::unknown_outcome, "a file could not be written while it was committed: " + place_.path,
               {result, sqlite3_errmsg(db_)});
}

void Handle::fail(int result, std::string_view sql) {
  check_pending();
  throw error(result, sql);
}

void Handle::cancel() noexcept {
  cancelled_.exchange(true, std::memory_order_acq_rel);
  sqlite3_interrupt(db_);
  wake_->notify_all();
}

bool Handle::stop_now() {
  if (cancelled_.load(std::memory_order_relaxed)) return true;
  if (deadline_.is_never() || !deadline_.passed(place_.runtime.now())) return false;
  timed_out_ = true;
  return true;
}

// cancel() comes after the stop was requested. When it set the flag that is cleared here, the request is seen here;
// when it comes later, its flag stays.
void Handle::look_at_stop() {
  cancelled_.exchange(false, std::memory_order_acq_rel);
  if (stop_.stop_requested()) cancelled_.store(true);
}

// Only a statement with a deadline, or one that can be stopped, pays for looking: SQLite forgets an interrupt that
// comes before the first step.
void Handle::watch() {
  timed_out_ = false;
  const bool wanted = !deadline_.is_never() || stop_.stop_possible();
  if (wanted == watched_) return;
  watched_ = wanted;
  if (wanted) {
    sqlite3_progress_handler(
        db_, kInstructionsPerLook,
        [](void* self) {
          try {
            return static_cast<Handle*>(self)->stop_now() ? 1 : 0;
          } catch (...) {
            static_cast<Handle*>(self)->pending_ = std::current_exception();
            return 1;
          }
        },
        this);
  } else {
    sqlite3_progress_handler(db_, 0, nullptr, nullptr);
  }
}

bool Handle::wait_for_lock() {
  const bool waited = wait_for_lock(10);
  check_pending();
  return waited;
}

// False: give up, and the call ends with SQLITE_BUSY.
bool Handle::wait_for_lock(int attempt) noexcept {
  try {
    auto& runtime = place_.runtime;
    const auto seen = wake_->count();
    if (cancelled_) return false;
    const auto now = runtime.now();
    if (busy_until_ == base::Instant::min()) {
      busy_until_ = std::min(base::later(now, patience_.value_or(busy_timeout_)), deadline_.at());
    }
    if (now >= busy_until_) return false;
    const auto whole = std::min(kFirstPause * (1 << std::min(attempt, 10)), kLongestPause);
    const auto half = static_cast<std::uint64_t>(whole.count() / 2);
    const auto pause = base::Duration(static_cast<std::int64_t>(half + runtime.random() % (half + 1)));
    wake_->wait(seen, std::min(base::later(now, pause), busy_until_));
    return !cancelled_;
  } catch (...) {
    pending_ = std::current_exception();
    return false;
  }
}

}  // namespace tidelock::sql::sqlite
