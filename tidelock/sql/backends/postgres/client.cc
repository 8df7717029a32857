#include "tidelock/sql/backends/postgres/client.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "tidelock/base/errno_error.h"
#include "tidelock/sql/backends/postgres/bytes.h"

namespace tidelock::sql::postgres {
namespace {

using namespace std::chrono_literals;

// How long the server may take to end a statement that it was told to end.
constexpr base::Duration kPatience = 10s;
constexpr base::Duration kFirstPause = 20ms;

void ignore_notice(void*, const PGresult*) {}

// What libpq traces of the handshake goes to memory, since it tells nobody the key that cancels statements: PQcancel()
// uses it, but waits without a limit. Wiped: a password may be in it.
class Trace {
 public:
  Trace() : file_(::open_memstream(&text_, &size_)) {}
  ~Trace() {
    if (file_ != nullptr) std::fclose(file_);
    if (text_ != nullptr) std::fill_n(static_cast<volatile char*>(text_), size_, '\0');
    std::free(text_);
  }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  void begin(PGconn* connection) {
    if (file_ != nullptr) PQtrace(connection, file_);
  }
  std::string_view end(PGconn* connection) {
    PQuntrace(connection);
    if (file_ == nullptr) return {};
    std::fflush(file_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_;
};

// Where to connect to, as libpq has it: the names, which certificates are for, and an address for each, since libpq
// would wait for the resolver without a limit. A name that cannot be looked up is left out while others can.
std::vector<std::pair<std::string, std::string>> places_of(const Settings& settings, base::Deadline deadline,
                                                           const std::stop_token& stop) {
  std::string names, addresses, ports;
  const auto add = [&](const Host& host, const std::string& address) {
    const char* const comma = ports.empty() ? "" : ",";
    names += comma + host.name;
    addresses += comma + address;
    ports += comma + std::to_string(host.port);
  };
  std::optional<Error> unknown;
  for (const auto& host : settings.hosts) {
    if (settings.by_socket) {
      add(host, {});
      continue;
    }
    try {
      for (const auto& address : settings.resolver->resolve(host.name, deadline, stop)) add(host, address);
    } catch (const Error& error) {
      if (error.code() != Code::unavailable) throw;
      unknown = error;
    }
  }
  if (ports.empty() && unknown) throw *unknown;
  return {{"host", names}, {"hostaddr", settings.by_socket ? std::string() : addresses}, {"port", ports}};
}

}  // namespace

Client::Client(base::Runtime& runtime, const Settings& settings, base::Deadline deadline, const std::stop_token& stop)
    : runtime_(runtime), where_(settings.where), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), poll_(runtime) {
  if (!wake_) throw base::errno_error(errno, {}, "no event descriptor could be made");
  connect(settings, std::min(deadline, base::Deadline(base::later(runtime.now(), settings.connect_timeout))), stop);
  socket_ = poll_.add(PQsocket(get()));
  woken_ = poll_.add(wake_.get());
}

void Client::connect(const Settings& settings, base::Deadline deadline, const std::stop_token& stop) {
  const auto places = places_of(settings, deadline, stop);
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : settings.keywords) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  for (const auto& [name, value] : places) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  if (!settings.password.empty()) {
    names.push_back("password");
    values.push_back(settings.password.reveal().c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 0));
  if (connection_ == nullptr) throw Error(Code::io_error, "there is no memory left for a connection");
  PQsetErrorVerbosity(get(), PQERRORS_VERBOSE);  // So that a refusal carries its SQLSTATE.
  PQsetNoticeReceiver(get(), ignore_notice, nullptr);
  Trace trace;
  trace.begin(get());
  auto state = PQstatus(get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
    base::Poll poll(runtime_);
    poll.add(PQsocket(get()), state == PGRES_POLLING_READING ? POLLIN : POLLOUT);
    if (!poll.wait(deadline, stop)) {
      if (stop.stop_requested()) throw Error(Code::cancelled, "stopped while it connected to " + where_);
      throw Error(Code::timeout, "the server did not answer in time (" + where_ + ")");
    }
    state = PQconnectPoll(get());
  }
  remember_cancel_key(trace.end(get()));
  if (state == PGRES_POLLING_FAILED) throw connect_error(PQerrorMessage(get()), where_);
  PQsetErrorVerbosity(get(), PQERRORS_DEFAULT);
  if (PQsetnonblocking(get(), 1) != 0) throw_lost(PQerrorMessage(get()));
}

void Client::remember_cancel_key(std::string_view trace) {
  constexpr std::string_view kMessage = "BackendKeyData\t ";
  const auto at = trace.rfind(kMessage);
  if (at == trace.npos) return;
  auto numbers = trace.substr(at + kMessage.size());
  numbers.remove_prefix(std::min(numbers.find(' '), numbers.size() - 1) + 1);
  std::from_chars(numbers.data(), numbers.data() + numbers.size(), cancel_key_);
}

void Client::throw_lost(std::string_view why) {
  lost_ = true;
  throw Error(Code::connection_lost, "the connection to " + where_ + " is lost", {.code = 0, .message = one_line(why)});
}

void Client::start(base::Deadline deadline, const std::stop_token& stop) {
  if (!is_good()) throw_lost("it was lost before");
  reason_ = Reason::none;
  deadline_ = deadline;
  cancellable_ = true;
  cancelled_.store(false, std::memory_order_relaxed);
  if (stop.stop_requested()) [[unlikely]]
    throw Error(Code::cancelled, "stopped on request");
}

void Client::start_uncancellable(base::Deadline deadline) {
  start(deadline);
  cancellable_ = false;
}

void Client::sent(int result) {
  if (result != 1) throw_lost(PQerrorMessage(get()));
}

bool Client::in_transaction() const {
  const auto status = PQtransactionStatus(get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
}

void Client::cancel() noexcept {
  cancelled_.store(true, std::memory_order_relaxed);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

// Until the socket is ready. Sends the interrupts that become due meanwhile.
void Client::wait(short events) {
  poll_.change(socket_, PQsocket(get()), events);
  for (;;) {
    look();
    const bool interrupted = reason_ != Reason::none;
    if (!poll_.wait(interrupted ? std::min(patience_, base::Deadline(again_)) : deadline_)) {
      if (!cancellable_ || (interrupted && patience_.passed(runtime_.now()))) {
        throw_lost("the server did not answer in time");
      }
      interrupted ? send_cancel_again() : interrupt(Reason::timeout);
      continue;
    }
    if (poll_.ready(woken_)) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
    }
    if (poll_.ready(socket_)) return;
  }
}

void Client::interrupt(Reason reason) {
  if (!cancellable_) return;
  reason_ = reason;
  patience_ = base::later(runtime_.now(), kPatience);
  pause_ = kFirstPause;
  send_cancel_again();
}

// A server that has not begun with the statement yet takes no notice of the request.
void Client::send_cancel_again() {
  send_cancel(patience_);
  again_ = base::later(runtime_.now(), pause_);
  pause_ *= 2;
}

// The request of the protocol: https://www.postgresql.org/docs/15/protocol-flow.html, "Canceling Requests in Progress".
// The server closes the connection once the signal is sent; before that no other statement may start, or it would be
// the one that is hit. When it cannot be sent, the statement goes on, and the patience ends.
void Client::send_cancel(base::Deadline deadline) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(PQsocket(get()), reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  const base::Descriptor socket(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return;
  const auto ready = [&](short events) {
    base::Poll poll(runtime_);
    poll.add(socket.get(), events);
    return poll.wait(deadline);
  };
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno != EINPROGRESS) return;
  if (!ready(POLLOUT)) return;
  std::string request;
  append_network(request, std::int32_t{16});
  append_network(request, std::int32_t{80'877'102});  // 1234 and 5678: no version of the protocol.
  append_network(request, std::int32_t{PQbackendPID(get())});
  append_network(request, cancel_key_);
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return;
  char byte;
  while (ready(POLLIN) && ::recv(socket.get(), &byte, 1, 0) > 0) {
  }
}

void Client::flush() {
  for (;;) {
    const int left = PQflush(get());
    if (left == 0) return;
    if (left < 0) throw_lost(PQerrorMessage(get()));
    wait(POLLIN | POLLOUT);
    if (PQconsumeInput(get()) != 1) throw_lost(PQerrorMessage(get()));
    if (reason_ == Reason::timeout) throw Error(Code::timeout, "the time was over while data was sent");
    if (reason_ == Reason::cancelled) throw Error(Code::cancelled, "stopped on request while data was sent");
  }
}

ResultHandle Client::next_result() {
  while (PQisBusy(get()) == 1) {
    const int left = PQflush(get());
    if (left < 0) throw_lost(PQerrorMessage(get()));
    wait(left == 0 ? POLLIN : POLLIN | POLLOUT);
    if (PQconsumeInput(get()) != 1) throw_lost(PQerrorMessage(get()));
  }
  ResultHandle result(PQgetResult(get()));
  if (PQstatus(get()) == CONNECTION_BAD) throw_lost(PQerrorMessage(get()));
  return result;
}

void Client::drop_results() {
  while (next_result() != nullptr) {
  }
}

ResultHandle Client::run(const std::string& sql, std::string_view about) {
  sent(PQsendQuery(get(), sql.c_str()));
  ResultHandle last;
  std::optional<Error> failure;
  while (auto result = next_result()) {
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failure) failure = error(result.get(), about);
    last = std::move(result);
  }
  if (failure) throw *failure;
  return last;
}

Error Client::error(const PGresult* result, std::string_view about) const {
  auto fault = fault_of(result);
  if (fault.state == "57014") {
    const bool late =
        reason_ == Reason::timeout || (reason_ == Reason::none && fault.message.find("timeout") != std::string::npos);
    return Error(late ? Code::timeout : Code::cancelled,
                 std::string(late ? "the statement took too long, and was stopped: " : "stopped on request: ") +
                     std::string(about),
                 {.code = 0, .message = fault.message, .state = fault.state});
  }
  if (fault.state == "25006") {
    const char* const standby = PQparameterStatus(get(), "in_hot_standby");
    if (standby != nullptr && std::string_view(standby) == "on") {
      return Error(Code::read_only_server, "the server is a standby, which takes no changes: connect to the primary",
                   {.code = 0, .message = fault.message, .state = fault.state});
    }
  }
  return error_of(fault, about);
}

bool Client::has_hung_up() {
  for (;;) {
    if (!is_good()) return true;
    char byte;
    if (::recv(PQsocket(get()), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) return false;
    if (PQconsumeInput(get()) != 1) return true;
    if (PQisBusy(get()) == 1) continue;
    if (PQstatus(get()) == CONNECTION_BAD) return true;
  }
}

std::optional<Notification> Client::wait_for_notification(base::Deadline deadline, const std::stop_token& stop) {
  struct Free {
    void operator()(PGnotify* notify) const noexcept { PQfreemem(notify); }
  };
  for (;;) {
    if (!is_good()) throw_lost("it was lost before");
    if (PQconsumeInput(get()) != 1) throw_lost(PQerrorMessage(get()));
    if (const std::unique_ptr<PGnotify, Free> notify(PQnotifies(get())); notify != nullptr) {
      return Notification{notify->relname, notify->extra};
    }
    base::Poll poll(runtime_);
    poll.add(PQsocket(get()), POLLIN);
    if (!poll.wait(deadline, stop)) return std::nullopt;
  }
}

}  // namespace tidelock::sql::postgres
