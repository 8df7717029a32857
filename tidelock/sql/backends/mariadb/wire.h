// One connection of MariaDB's client library, driven by its non-blocking calls: every wait is ours, so that it ends at
// a deadline, on request, or when the server answers.
//
// The library runs such a call on a stack of its own and comes back to say which event of the socket it needs. What a
// prepared statement does often is called without that where the socket is plain: the answer is waited for before the
// library looks for it, and where it needs more it asks us to wait. A statement that must end early is killed from a
// second connection (KILL QUERY), and the answer to it is then waited for: the session stays in step with its server.
// Where that fails, the connection is cut.
#pragma once

#include <mysql.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/backends/mariadb/settings.h"

namespace tidelock::sql::mariadb {

// A request to stop the statement that runs now. request() may come from any task, behind an expect(); the rest belongs
// to one.
class StopRequest {
 public:
  // What to wait for as well from here on. Errors: those of the system.
  const base::Descriptor& expect();
  bool expected() const noexcept { return static_cast<bool>(wake_); }
  void begin() noexcept { state_.store(++number_ << 2 | kRunning); }
  void end() noexcept { state_.store(number_ << 2); }
  bool requested() const noexcept { return (state_.load(std::memory_order_relaxed) & kRequested) != 0; }
  void request() noexcept;  // Does nothing when nothing runs.

  void drain() noexcept;

 private:
  static constexpr std::uint64_t kRunning = 1, kRequested = 2;
  std::atomic<std::uint64_t> state_ = 0;  // Which statement, and what about it: a late request meets another number.
  std::uint64_t number_ = 0;
  base::Descriptor wake_;
};

// Of a cell that the server sends as text; 0 for what is none.
std::uint64_t number_of(const std::optional<std::string>& cell);

class Wire {
 public:
  // Connects and logs in. Borrows both. `address`: of the host, where it is known already. Errors: unavailable,
  // permission_denied, not_found for the database, timeout, cancelled.
  Wire(base::Runtime& runtime, const Settings& settings, const std::string& database, base::Deadline deadline,
       const std::stop_token& stop = {}, const std::string& address = {});
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  MYSQL* get() { return mysql_; }
  std::uint64_t id() const { return mysql_thread_id(mysql_); }  // As the server told when it greeted.
  bool broken() const { return broken_; }
  void set_broken() noexcept { broken_ = true; }
  base::Runtime& runtime() { return runtime_; }

  // From here to end() calls give up at the deadline. `interruptible`: by killing the statement, which stop() and the
  // deadline may do; else the connection is cut.
  void begin(base::Deadline deadline, bool interruptible);
  // The same for what a session is not ready without: the connection is cut at the deadline, and when `stop` is
  // requested.
  void begin_opening(base::Deadline deadline, const std::stop_token& stop);
  void end() noexcept;
  // What kServer is at the server, where it is the server that has greeted: a statement is killed at no other one.
  void set_server(std::string server) { server_ = std::move(server); }
  // An expression that no other server has the same value of, nor the same one once it was started anew.
  static constexpr std::string_view kServer = "concat_ws(' ', @@hostname, @@port, @@datadir, uuid_short() >> 24)";
  // What stop() will be called for, so that a request from before begin() counts.
  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }
  void stop() noexcept { request_.request(); }  // From any task, behind an expect_stop().
  void expect_stop();
  // Why the statement was made to end: timeout or cancelled.
  std::optional<Code> interrupted() const { return interrupted_; }
  // Whether something was killed since this was asked: a kill that came too late may meet the next statement. A
  // MariaDB 10.11 forgets it; a pooler may answer to it before it is done.
  bool take_kill() noexcept { return std::exchange(killed_, false) && !broken_; }
  // Kills it now when it was asked to stop, which a call that finds its answer in a buffer does not notice.
  void check_stop();
  // Kills what runs; false: the connection is cut.
  bool interrupt(Code why) noexcept;

  // Runs all statements of `sql`; what they return is dropped. False: see errno_().
  bool query(std::string_view sql);
  // The rows of the last result of `sql`, as text.
  using Row = std::vector<std::optional<std::string>>;
  std::optional<std::vector<Row>> rows(std::string_view sql);
  bool reset_connection();

  // Zero: it went well. Otherwise mysql_stmt_errno(), and MYSQL_NO_DATA of fetch().
  int prepare(MYSQL_STMT* statement, std::string_view sql);
  int execute(MYSQL_STMT* statement);
  int fetch(MYSQL_STMT* statement);
  int store_result(MYSQL_STMT* statement);           // All its rows, from here on in memory.
  void free_result(MYSQL_STMT* statement) noexcept;  // What met its rows meanwhile: see errno_().
  int next_result(MYSQL_STMT* statement) noexcept;   // -1: there is no other.
  void close(MYSQL_STMT* statement) noexcept;

  unsigned errno_() { return mysql_errno(mysql_); }
  std::string_view message() { return mysql_error(mysql_); }
  Error error(std::string_view about);  // Of the last call but those on statements.
  // The same while nothing was begun yet: what is lost then is to be tried again.
  Error opening_error(std::string_view about);
  // Of the last call after begin_opening(): timeout or cancelled where it was given up.
  [[noreturn]] void throw_not_opened(std::string_view about);

  bool has_more_results() const { return (mysql_->server_status & SERVER_MORE_RESULTS_EXIST) != 0; }
  bool in_transaction() const { return (mysql_->server_status & SERVER_STATUS_IN_TRANS) != 0; }
  bool has_autocommit() const { return (mysql_->server_status & SERVER_STATUS_AUTOCOMMIT) != 0; }
  bool has_backslash_escapes() const { return (mysql_->server_status & SERVER_STATUS_NO_BACKSLASH_ESCAPES) == 0; }
  std::string_view character_set() const { return mysql_character_set_name(mysql_); }  // "utf8mb4", unless it was set.
  // What the answer to the last statement told of the session, once.
  std::string_view tracked_gtid();
  bool tracked_state_change();

  bool has_hung_up() noexcept;  // The server has closed, or said something that nobody asked.

 private:
  bool connect(const std::string& database);
  void set_options();
  [[noreturn]] void throw_not_connected();
  Error no_tls(std::string_view said) const;
  int socket() const noexcept;  // -1 once the library has closed it: the number may be somebody else's by then.
  int wait(int events) noexcept;
  int wait_until(int events);
  static int wait_within(my_socket socket, my_bool reading, int timeout) noexcept;
  void cut() noexcept;
  bool kill_query() noexcept;
  bool drop_results(bool ok);

  template <typename Result, typename Start, typename Continue>
  Result drive(Result result, Start&& start, Continue&& proceed) {
    for (int events = start(&result); events != 0;) events = proceed(&result, wait(events));
    return result;
  }

  base::Runtime& runtime_;
  const Settings& settings_;
  MYSQL* mysql_ = nullptr;
  std::string address_;  // Of the host that was reached; a name may have several.
  std::string server_;   // As set_server() was told; empty: a pooler, whose numbers are good for all of it.
  int socket_ = -1;
  bool direct_ = false;  // Without TLS.
  bool broken_ = false;
  StopRequest request_;
  std::stop_token stop_;
  std::stop_token opening_;       // As begin_opening() was told.
  base::Poll reading_, writing_;  // Each waits for the socket, and for a request to stop where one is expected.
  base::Deadline deadline_ = base::Deadline::never();
  bool interruptible_ = false;
  std::optional<Code> interrupted_;
  bool killed_ = false;
};

}  // namespace tidelock::sql::mariadb
