// A connection of libpq that waits through the Runtime: every wait has its deadline and can be cancelled.
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "tidelock/base/descriptor.h"
#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/backends/postgres/errors.h"
#include "tidelock/sql/backends/postgres/handle.h"
#include "tidelock/sql/backends/postgres/settings.h"
#include "tidelock/sql/dialect.h"

namespace tidelock::sql::postgres {

// Used by one task at a time, except cancel().
class Client {
 public:
  // Connects until the deadline. Errors: those of connect_error() and base::Resolver; timeout; cancelled.
  Client(base::Runtime& runtime, const Settings& settings, base::Deadline deadline, const std::stop_token& stop);

  PGconn* get() const { return connection_.get(); }
  base::Runtime& runtime() const { return runtime_; }

  // Before a request is sent: its time counts from here. Errors: cancelled, when `stop` was requested; connection_lost.
  void start(base::Deadline deadline, const std::stop_token& stop = {});
  // The same for what is seen through once it was asked for: a commit, a rollback. After the deadline it is lost.
  void start_uncancellable(base::Deadline deadline);
  // The same for what a connection is not ready without: at the deadline, and when `stop` is requested, it is of no
  // use. Errors from here on: timeout, cancelled.
  void start_opening(base::Deadline deadline, const std::stop_token& stop);
  // For the result of a PQsend… call. Error: connection_lost when it did not go out.
  void sent(int result);
  // The next result of the request; null after the last. Error: connection_lost.
  ResultHandle next_result();
  // All that the request has left is read and dropped, but the first failure, which is returned; else null. One that
  // commits itself may fail at its very end, by a deferred constraint for example. Error: connection_lost.
  ResultHandle drop_results();
  // What is sent from here on follows `sql` in one transaction. end_following() behind it, and start_following() before
  // its results: that of `sql`, whose failure is thrown when all is read.
  void send_first(const std::string& sql);
  void end_following();
  void start_following(std::string_view about);
  // A request without values: its last result; the first failure is thrown, when all is read.
  ResultHandle run(const std::string& sql, std::string_view about);
  // What columns a statement without values returns. It is not run: nobody needs the right to.
  ResultHandle describe(const std::string& sql, std::string_view about);
  // Sends what is in the buffer. Errors: connection_lost, timeout, cancelled.
  void flush();

  // What the server said, as an error; an interrupt is what it was asked for.
  Error error(const PGresult* result, std::string_view about) const;

  // Between two calls of the one that runs: a cancel() that came.
  void look() {
    if (cancelled_.load(std::memory_order_relaxed) && reason_ == Reason::none) [[unlikely]]
      interrupt(Reason::cancelled);
  }
  // Makes the server end what runs, for nobody's sake: its rows are not wanted.
  void abandon() { interrupt(Reason::cancelled); }
  void cancel() noexcept;  // From any task, behind an expect_cancel().
  void expect_cancel();    // Every wait looks out for cancel() as well from here on. Errors: those of the system.

  bool in_transaction() const;
  // Whether a setting that the server reports has this value now.
  bool has_setting(const char* name, std::string_view value) const;
  bool has_failed_transaction() const { return PQtransactionStatus(get()) == PQTRANS_INERROR; }
  bool is_good() const { return !lost_ && PQstatus(get()) == CONNECTION_OK; }
  void give_up() { lost_ = true; }
  bool has_hung_up();
  std::optional<Notification> wait_for_notification(base::Deadline deadline, const std::stop_token& stop);

  // The number of the server's process as it was said when the connection was made, and as that process says it itself
  // now: they differ behind a pooler.
  std::int32_t handshake_pid() const { return PQbackendPID(get()); }

 private:
  enum class Reason : std::uint8_t { none, timeout, cancelled };

  void connect(const Settings& settings, base::Deadline deadline, const std::stop_token& stop);
  bool is_standby() const;  // So far as the server reports it: from version 14 on, and not behind a pooler.
  void connect_to(const Settings& settings, const Host& host, const std::string& address, base::Deadline deadline,
                  const std::stop_token& stop);
  void remember_cancel_key(std::string_view trace);
  // Whether nothing but the server can end a wait now.
  bool waits_for_server_only() const {
    return deadline_.is_never() && !wake_ && !is_opening_ && reason_ == Reason::none;
  }
  void wait(short events);
  void wait_for_result();
  void interrupt(Reason reason);
  void send_cancel_again();
  void send_cancel(base::Deadline deadline);
  [[noreturn]] void throw_lost(std::string_view why);
  [[noreturn]] void throw_not_open(const std::stop_token& stop);

  base::Runtime& runtime_;
  const std::string where_;
  ConnectionHandle connection_;
  std::int32_t cancel_key_ = 0;
  base::Poll poll_;  // Of the socket, once connected, and of wake_, once it is.
  std::size_t socket_ = 0;
  base::Descriptor wake_;  // An eventfd, when somebody may cancel: cancel() writes it.
  std::size_t woken_ = 0;
  std::atomic<bool> cancelled_ = false;
  bool cancellable_ = true;
  bool is_opening_ = false;
  std::stop_token stop_opening_;
  bool lost_ = false;
  Reason reason_ = Reason::none;
  base::Deadline deadline_ = base::Deadline::never();
  base::Deadline patience_ = base::Deadline::never();  // After an interrupt.
  base::Instant again_{};                              // When it is sent once more,
  base::Duration pause_{};                             // and how long after the one before.
};

}  // namespace tidelock::sql::postgres
