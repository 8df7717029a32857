#include "tidelock/sql/backends/mariadb/wire.h"

#include <errmsg.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "tidelock/base/errno_error.h"
#include "tidelock/sql/backends/mariadb/errors.h"
#include "tidelock/sql/first_to_answer.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;

// Of the stack that the library's calls run on: resolving a name and TLS want more than its 64 KiB.
constexpr std::size_t kStackBytes = 256 * 1024;
constexpr unsigned long kPacketBytesMost = 1UL << 30;
// A killed statement ends within this time, or its connection is cut.
constexpr base::Duration kKillWithin = 5s;
// A server that went without a word is noticed after about a minute.
constexpr int kKeepAliveIdleSeconds = 30, kKeepAliveSeconds = 10, kKeepAliveCount = 3;

// Once a process, before any thread may do it.
void start_library() {
  static const int started = mysql_library_init(0, nullptr, nullptr);
  if (started != 0) throw Error(Code::internal, "MariaDB's client library could not be started");
}

// The files of this machine are nobody's business: an empty one is what a server gets that asks for any.
int refuse_file(void** data, const char*, void*) {
  *data = nullptr;
  return 1;
}
int read_nothing(void*, char*, unsigned) { return 0; }
void close_nothing(void*) {}
int explain_refusal(void*, char* text, unsigned size) {
  if (size > 0) text[0] = '\0';
  return 4166;
}

void set_option(MYSQL* mysql, mysql_option option, const void* value) {
  if (mysql_options(mysql, option, value) != 0) {
    throw Error(Code::internal, "the client library refuses option " + std::to_string(option));
  }
}

void set_file(MYSQL* mysql, mysql_option option, const std::string& path) {
  if (!path.empty()) set_option(mysql, option, path.c_str());
}

// Whose call of the library, which does not say it, runs on this thread and may ask us to wait.
thread_local Wire* t_caller = nullptr;

class Calling {
 public:
  explicit Calling(Wire* wire) : before_(std::exchange(t_caller, wire)) {}
  ~Calling() { t_caller = before_; }
  Calling(const Calling&) = delete;
  Calling& operator=(const Calling&) = delete;

 private:
  Wire* const before_;
};

void keep_alive(int socket) {
  const auto set = [&](int level, int name, int value) { ::setsockopt(socket, level, name, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveCount);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, (kKeepAliveIdleSeconds + kKeepAliveSeconds * kKeepAliveCount) * 1000);
}

// Connected, the library makes the socket a blocking one again, and greets with TLS before we can change that: what the
// handshake reads and writes then comes back soon, to wait with us.
void limit_blocking(int socket) {
  const timeval soon{.tv_sec = 0, .tv_usec = 1000};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
}

// TLS reads and writes the socket by calls that block as it does, also where the library does not want to wait.
void stop_blocking(int socket) {
  const int flags = ::fcntl(socket, F_GETFL);
  if (flags < 0 || ::fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) {
    throw base::errno_error(errno, {}, "a connection cannot be waited for");
  }
}

// A server elsewhere may do, where none answered here.
bool another_may_do(const Error& error) {
  if (!error.native()) return false;
  const auto code = static_cast<unsigned>(error.native()->code);
  return code == CR_CONNECTION_ERROR || code == CR_CONN_HOST_ERROR || code == CR_SERVER_LOST;
}

}  // namespace

std::uint64_t number_of(const std::optional<std::string>& cell) {
  std::uint64_t value = 0;
  if (cell) std::from_chars(cell->data(), cell->data() + cell->size(), value);
  return value;
}

const base::Descriptor& StopRequest::expect() {
  wake_ = base::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) throw base::errno_error(errno, {}, "no event descriptor could be made");
  return wake_;
}

void StopRequest::request() noexcept {
  auto seen = state_.load();
  if ((seen & kRunning) == 0 || (seen & kRequested) != 0) return;
  if (!state_.compare_exchange_strong(seen, seen | kRequested)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void StopRequest::drain() noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
}

Wire::Wire(base::Runtime& runtime, const Settings& settings, const std::string& database, base::Deadline deadline,
           const std::stop_token& stop, const std::string& address)
    : runtime_(runtime), settings_(settings), stop_(stop), reading_(runtime), writing_(runtime) {
  start_library();
  deadline_ = deadline;
  std::vector<std::string> addresses{address};
  if (settings.socket.empty() && address.empty()) addresses = settings.resolver->resolve(settings.host, deadline, stop);
  first_to_answer(runtime_, addresses, deadline, another_may_do, [&](std::size_t i, base::Deadline part) {
    address_ = addresses[i];
    deadline_ = part;
    interrupted_.reset();
    mysql_ = mysql_init(nullptr);
    if (mysql_ == nullptr) throw Error(Code::io_error, "there is no memory left for a connection");
    try {
      if (!connect(database)) throw_not_connected();
    } catch (...) {
      mysql_close(mysql_);
      throw;
    }
  });
  stop_ = {};
}

Wire::~Wire() {
  if (broken_) ::shutdown(socket(), SHUT_RDWR);  // No farewell that could block.
  mysql_close(mysql_);
}

Error Wire::no_tls(std::string_view said) const {
  return Error(Code::unsupported,
               "the server at " + settings_.address() +
                   " has no TLS, which the URL demands: set ssl_cert and ssl_key there, or leave sslmode out",
               {CR_SSL_CONNECTION_ERROR, std::string(said)});
}

void Wire::throw_not_connected() {
  if (interrupted_ == Code::cancelled) {
    throw Error(Code::cancelled, "stopped while it connected to " + settings_.address());
  }
  if (interrupted_) {
    throw Error(Code::timeout, "the server at " + settings_.address() + " did not let us in within its time");
  }
  if (errno_() == CR_SSL_CONNECTION_ERROR && message().find("does not support it") != std::string_view::npos) {
    throw no_tls(message());
  }
  throw opening_error("connecting to " + settings_.address() + " as " + settings_.user);
}

void Wire::set_options() {
  set_option(mysql_, MYSQL_OPT_NONBLOCK, &kStackBytes);
  set_option(mysql_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  set_option(mysql_, MYSQL_OPT_MAX_ALLOWED_PACKET, &kPacketBytesMost);
  const unsigned no_files = 0;
  set_option(mysql_, MYSQL_OPT_LOCAL_INFILE, &no_files);
  mysql_set_local_infile_handler(mysql_, refuse_file, read_nothing, close_nothing, explain_refusal, nullptr);
  const unsigned protocol = settings_.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
  set_option(mysql_, MYSQL_OPT_PROTOCOL, &protocol);
  set_option(mysql_, MARIADB_OPT_IO_WAIT, reinterpret_cast<const void*>(&Wire::wait_within));
  mysql_options4(mysql_, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "tidelock");
  const my_bool encrypted = settings_.tls != Tls::disable;
  if (encrypted) {
    set_option(mysql_, MYSQL_OPT_SSL_ENFORCE, &encrypted);
    const my_bool verified = settings_.tls == Tls::verify;
    set_option(mysql_, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
    set_file(mysql_, MYSQL_OPT_SSL_CA, settings_.tls_ca);
    set_file(mysql_, MYSQL_OPT_SSL_CERT, settings_.tls_certificate);
    set_file(mysql_, MYSQL_OPT_SSL_KEY, settings_.tls_key);
  }
}

// The library looks at the host twice: first for an address to connect to, where a name would make it wait for the
// resolver without a limit; then, when the server has answered, for the name that the certificate must be for.
bool Wire::connect(const std::string& database) {
  set_options();
  const Calling calling(this);  // TLS waits within a call.
  const bool by_socket = !settings_.socket.empty();
  std::vector<char> host(std::max(address_.size(), settings_.host.size()) + 1);
  std::ranges::copy(address_, host.begin());
  const auto* const connected = drive<MYSQL*>(
      nullptr,
      [&](MYSQL** result) {
        return mysql_real_connect_start(
            result, mysql_, by_socket ? nullptr : host.data(), settings_.user.c_str(),
            settings_.password.reveal().c_str(), database.empty() ? nullptr : database.c_str(), settings_.port,
            by_socket ? settings_.socket.c_str() : nullptr, CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS);
      },
      [&](MYSQL** result, int events) {
        std::ranges::fill(host, '\0');
        std::ranges::copy(settings_.host, host.begin());
        return mysql_real_connect_cont(result, mysql_, events);
      });
  if (connected == nullptr) return false;
  // The library goes on in plain text where the server offers nothing else and no certificate is asked for.
  if (settings_.tls != Tls::disable && mysql_get_ssl_cipher(mysql_) == nullptr) throw no_tls({});
  socket_ = mysql_get_socket(mysql_);
  if (!by_socket) keep_alive(socket_);
  direct_ = mysql_get_ssl_cipher(mysql_) == nullptr;
  if (!direct_) stop_blocking(socket_);
  reading_.add(socket_, POLLIN);
  writing_.add(socket_, POLLOUT);
  return true;
}

Error Wire::error(std::string_view about) { return error_of(errno_(), message(), about); }

Error Wire::opening_error(std::string_view about) {
  const auto met = error(about);
  if (met.code() != Code::connection_lost) return met;
  return Error(Code::unavailable, met.message(), met.native().value_or(Error::Native{}));
}

void Wire::throw_not_opened(std::string_view about) {
  if (!interrupted_) throw opening_error(about);
  throw Error(*interrupted_,
              std::string(about) + (interrupted_ == Code::cancelled ? ": stopped" : ": no answer came in time"));
}

void Wire::begin(base::Deadline deadline, bool interruptible) {
  deadline_ = deadline;
  interruptible_ = interruptible;
  interrupted_.reset();
  request_.begin();
  if (stop_.stop_requested()) request_.request();
}

void Wire::begin_opening(base::Deadline deadline, const std::stop_token& stop) {
  begin(deadline, false);
  opening_ = stop;
}

void Wire::end() noexcept {
  request_.end();
  opening_ = {};
  deadline_ = base::Deadline::never();
}

void Wire::expect_stop() {
  if (request_.expected()) return;
  const auto& request = request_.expect();
  for (auto* const poll : {&reading_, &writing_}) poll->add(request.get());
}

void Wire::check_stop() {
  if (interruptible_ && !interrupted_ && request_.requested()) interrupt(Code::cancelled);
}

int Wire::socket() const noexcept { return mysql_->net.pvio == nullptr ? -1 : socket_; }

// In the middle of a call of the library, which must be seen through: nothing may be thrown.
int Wire::wait(int events) noexcept {
  try {
    return wait_until(events);
  } catch (...) {
    cut();
    return events | MYSQL_WAIT_TIMEOUT;
  }
}

// Where the library has to wait within a direct call. Zero: it is to give up.
int Wire::wait_within(my_socket, my_bool reading, int) noexcept {
  auto* const wire = t_caller;
  if (wire == nullptr) return 0;  // It says farewell, which may be lost.
  const Calling none(nullptr);    // A kill has a connection of its own.
  const int events = wire->wait(reading != 0 ? MYSQL_WAIT_READ : MYSQL_WAIT_WRITE);
  if ((events & MYSQL_WAIT_TIMEOUT) == 0) return 1;
  errno = ETIMEDOUT;
  return 0;
}

int Wire::wait_until(int events) {
  if (socket_ < 0) {  // It connects: no answer to a login can be hurried.
    limit_blocking(mysql_get_socket(mysql_));
    base::Poll poll(runtime_);
    poll.add(mysql_get_socket(mysql_), static_cast<short>(((events & MYSQL_WAIT_READ) != 0 ? POLLIN : 0) |
                                                          ((events & MYSQL_WAIT_WRITE) != 0 ? POLLOUT : 0)));
    if (poll.wait(deadline_, stop_)) return events & ~MYSQL_WAIT_TIMEOUT;
    interrupted_ = stop_.stop_requested() ? Code::cancelled : Code::timeout;
    ::shutdown(mysql_get_socket(mysql_), SHUT_RDWR);
    return events | MYSQL_WAIT_TIMEOUT;
  }
  auto& poll = (events & MYSQL_WAIT_WRITE) != 0 ? writing_ : reading_;
  while (!broken_) {
    const bool woken = poll.wait(deadline_, opening_);
    if (woken && poll.ready(0)) return events & ~MYSQL_WAIT_TIMEOUT;
    if (woken) {
      request_.drain();
      if (!request_.requested()) continue;  // It was meant for an earlier statement.
      check_stop();
    } else if (!interruptible_ || interrupted_) {
      interrupted_ = interrupted_.value_or(opening_.stop_requested() ? Code::cancelled : Code::timeout);
      cut();
    } else {
      interrupt(Code::timeout);
    }
  }
  return events | MYSQL_WAIT_TIMEOUT;
}

bool Wire::interrupt(Code why) noexcept {
  interrupted_ = why;
  deadline_ = base::later(runtime_.now(), kKillWithin);
  if (!kill_query()) cut();
  return !broken_;
}

// After this the library finds the connection closed, whatever it does next.
void Wire::cut() noexcept {
  broken_ = true;
  ::shutdown(socket(), SHUT_RDWR);
}

// What stands between may lead the second connection to another server, at which the number is somebody else's.
bool Wire::kill_query() noexcept {
  killed_ = true;
  try {
    Wire other(runtime_, settings_, {}, deadline_, {}, address_);  // Of the name's addresses the one that was reached.
    if (!server_.empty()) {
      const auto found = other.rows("select " + std::string(kServer));
      if (!found || found->empty() || found->front().front() != server_) return false;
    }
    return other.query("kill query " + std::to_string(id()));
  } catch (const Error&) {
    return false;
  }
}

bool Wire::query(std::string_view sql) {
  const int failed = drive(
      1, [&](int* result) { return mysql_real_query_start(result, mysql_, sql.data(), sql.size()); },
      [&](int* result, int events) { return mysql_real_query_cont(result, mysql_, events); });
  return drop_results(failed == 0);
}

bool Wire::drop_results(bool ok) {
  while (ok) {
    MYSQL_RES* const rows = mysql_use_result(mysql_);
    if (rows != nullptr) {
      drive(
          0, [&](int*) { return mysql_free_result_start(rows); },
          [&](int*, int events) { return mysql_free_result_cont(rows, events); });
    }
    if (errno_() != 0) return false;
    const int next = drive(
        1, [&](int* result) { return mysql_next_result_start(result, mysql_); },
        [&](int* result, int events) { return mysql_next_result_cont(result, mysql_, events); });
    if (next < 0) return true;  // There is no other.
    ok = next == 0;
  }
  return false;
}

std::optional<std::vector<Wire::Row>> Wire::rows(std::string_view sql) {
  bool ok = drive(
                1, [&](int* result) { return mysql_real_query_start(result, mysql_, sql.data(), sql.size()); },
                [&](int* result, int events) { return mysql_real_query_cont(result, mysql_, events); }) == 0;
  std::vector<Row> rows;
  while (ok) {
    MYSQL_RES* const result = drive<MYSQL_RES*>(
        nullptr, [&](MYSQL_RES** stored) { return mysql_store_result_start(stored, mysql_); },
        [&](MYSQL_RES** stored, int events) { return mysql_store_result_cont(stored, mysql_, events); });
    if (result != nullptr) {
      rows.clear();
      while (MYSQL_ROW row = mysql_fetch_row(result)) {
        const auto* const lengths = mysql_fetch_lengths(result);
        auto& out = rows.emplace_back();
        for (unsigned i = 0; i < mysql_num_fields(result); ++i) {
          out.push_back(row[i] == nullptr ? std::nullopt : std::optional(std::string(row[i], lengths[i])));
        }
      }
      mysql_free_result(result);
    }
    if (errno_() != 0) return std::nullopt;
    const int next = drive(
        1, [&](int* more) { return mysql_next_result_start(more, mysql_); },
        [&](int* more, int events) { return mysql_next_result_cont(more, mysql_, events); });
    if (next < 0) return rows;
    ok = next == 0;
  }
  return std::nullopt;
}

bool Wire::reset_connection() {
  return drive(
             1, [&](int* result) { return mysql_reset_connection_start(result, mysql_); },
             [&](int* result, int events) { return mysql_reset_connection_cont(result, mysql_, events); }) == 0;
}

int Wire::prepare(MYSQL_STMT* statement, std::string_view sql) {
  return drive(
      1, [&](int* result) { return mysql_stmt_prepare_start(result, statement, sql.data(), sql.size()); },
      [&](int* result, int events) { return mysql_stmt_prepare_cont(result, statement, events); });
}

int Wire::execute(MYSQL_STMT* statement) {
  if (direct_) {
    const Calling calling(this);
    const auto leave_answer = [&](my_bool on) { mysql_options(mysql_, MARIADB_OPT_SKIP_READ_RESPONSE, &on); };
    leave_answer(1);
    const int failed = mysql_stmt_execute(statement);
    leave_answer(0);
    if (failed != 0) return failed;
    wait(MYSQL_WAIT_READ);  // Else the library would look in vain first.
    return mysql_->methods->db_read_execute_response(statement);
  }
  return drive(
      1, [&](int* result) { return mysql_stmt_execute_start(result, statement); },
      [&](int* result, int events) { return mysql_stmt_execute_cont(result, statement, events); });
}

int Wire::fetch(MYSQL_STMT* statement) {
  if (direct_) {
    const Calling calling(this);
    return mysql_stmt_fetch(statement);
  }
  return drive(
      1, [&](int* result) { return mysql_stmt_fetch_start(result, statement); },
      [&](int* result, int events) { return mysql_stmt_fetch_cont(result, statement, events); });
}

int Wire::store_result(MYSQL_STMT* statement) {
  return drive(
      1, [&](int* result) { return mysql_stmt_store_result_start(result, statement); },
      [&](int* result, int events) { return mysql_stmt_store_result_cont(result, statement, events); });
}

void Wire::free_result(MYSQL_STMT* statement) noexcept {
  drive<my_bool>(
      0, [&](my_bool* result) { return mysql_stmt_free_result_start(result, statement); },
      [&](my_bool* result, int events) { return mysql_stmt_free_result_cont(result, statement, events); });
}

int Wire::next_result(MYSQL_STMT* statement) noexcept {
  if (broken_ || !has_more_results()) return -1;
  return drive(
      1, [&](int* result) { return mysql_stmt_next_result_start(result, statement); },
      [&](int* result, int events) { return mysql_stmt_next_result_cont(result, statement, events); });
}

void Wire::close(MYSQL_STMT* statement) noexcept {
  if (statement->mysql == nullptr) {  // The server forgot it with the rest of the session.
    mysql_stmt_close(statement);
    return;
  }
  drive<my_bool>(
      0, [&](my_bool* result) { return mysql_stmt_close_start(result, statement); },
      [&](my_bool* result, int events) { return mysql_stmt_close_cont(result, statement, events); });
}

std::string_view Wire::tracked_gtid() {
  if ((mysql_->server_status & SERVER_SESSION_STATE_CHANGED) == 0) return {};
  const char* data = nullptr;
  std::size_t size = 0;
  bool is_gtid = false;  // Names and values come in turns.
  for (int over = mysql_session_track_get_first(mysql_, SESSION_TRACK_SYSTEM_VARIABLES, &data, &size); over == 0;
       over = mysql_session_track_get_next(mysql_, SESSION_TRACK_SYSTEM_VARIABLES, &data, &size)) {
    const std::string_view text(data, size);
    if (is_gtid) return text;
    is_gtid = text == "last_gtid";
  }
  return {};
}

bool Wire::tracked_state_change() {
  if ((mysql_->server_status & SERVER_SESSION_STATE_CHANGED) == 0) return false;
  const char* data = nullptr;
  std::size_t size = 0;
  return mysql_session_track_get_first(mysql_, SESSION_TRACK_STATE_CHANGE, &data, &size) == 0;
}

bool Wire::has_hung_up() noexcept {
  char byte = 0;
  const auto got = ::recv(socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return broken_ || got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

}  // namespace tidelock::sql::mariadb
