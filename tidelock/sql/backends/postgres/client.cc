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
#include "tidelock/base/local_mutex.h"
#include "tidelock/sql/backends/postgres/bytes.h"
#include "tidelock/sql/first_to_answer.h"

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

// A server elsewhere may do, where none answered here or the one that did is not ready yet, or is a standby.
bool another_may_do(const Error& error) {
  if (error.code() == Code::read_only_server) return true;
  const auto state = error.native() ? error.native()->state : std::string();
  return error.code() == Code::unavailable && (state.empty() || state == "57P03");
}

}  // namespace

Client::Client(base::Runtime& runtime, const Settings& settings, base::Deadline deadline, const std::stop_token& stop)
    : runtime_(runtime), where_(settings.where), poll_(runtime) {
  connect(settings, deadline, stop);
  socket_ = poll_.add(PQsocket(get()));
}

// Each host at each of its addresses: libpq would wait for the resolver, and for an address that is silent, without a
// limit. Of several hosts only the primary will do, unless it is to be read only.
void Client::connect(const Settings& settings, base::Deadline deadline, const std::stop_token& stop) {
  std::vector<std::string> names;
  for (const auto& host : settings.hosts) names.push_back(host.name);
  const bool wants_primary = names.size() > 1 && !settings.read_only;
  const auto attempt = [&](const Host& host, const std::string& address, base::Deadline part) {
    connect_to(settings, host, address, part, stop);
    if (!wants_primary || !is_standby()) return;
    throw Error(Code::read_only_server, "of several hosts none answers as the primary; " + host.name +
                                            " is a standby, from which mode=ro in the URL reads (" + where_ + ")");
  };
  try {
    first_to_answer(runtime_, names, deadline, another_may_do, [&](std::size_t i, base::Deadline for_host) {
      const auto& host = settings.hosts[i];
      if (settings.by_socket) return attempt(host, {}, for_host);
      const auto addresses = settings.resolver->resolve(host.name, for_host, stop);
      first_to_answer(runtime_, addresses, for_host, another_may_do,
                      [&](std::size_t n, base::Deadline part) { attempt(host, addresses[n], part); });
    });
  } catch (const Error& error) {
    if (error.code() != Code::read_only_server) throw;
    throw Error(Code::unavailable, error.message());  // Soon one of them may be.
  }
}

bool Client::is_standby() const {
  const char* const known = PQparameterStatus(get(), "in_hot_standby");
  return known != nullptr && std::string_view(known) == "on";
}

void Client::connect_to(const Settings& settings, const Host& host, const std::string& address, base::Deadline deadline,
                        const std::stop_token& stop) {
  const auto port = std::to_string(host.port);
  std::vector<const char*> names;
  std::vector<const char*> values;
  const auto add = [&](const char* name, const std::string& value) {
    names.push_back(name);
    values.push_back(value.c_str());
  };
  for (const auto& [name, value] : settings.keywords) add(name.c_str(), value);
  add("host", host.name);  // What a certificate must be for. It is not looked up where an address is named, too.
  add("hostaddr", address);
  add("port", port);
  if (!settings.password.empty()) add("password", settings.password.reveal());
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
    if (!poll.wait(deadline, stop)) throw_not_open(stop);
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

void Client::throw_not_open(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(Code::cancelled, "stopped while it waited for the server (" + where_ + ")");
  throw Error(Code::timeout, "the server did not answer in time (" + where_ + ")");
}

void Client::start(base::Deadline deadline, const std::stop_token& stop) {
  if (!is_good()) throw_lost("it was lost before");
  reason_ = Reason::none;
  deadline_ = deadline;
  cancellable_ = true;
  is_opening_ = false;
  stop_opening_ = {};
  cancelled_.store(false, std::memory_order_relaxed);
  if (stop.stop_requested()) [[unlikely]]
    throw Error(Code::cancelled, "stopped on request");
}

void Client::start_uncancellable(base::Deadline deadline) {
  start(deadline);
  cancellable_ = false;
}

void Client::start_opening(base::Deadline deadline, const std::stop_token& stop) {
  start_uncancellable(deadline);
  is_opening_ = true;
  stop_opening_ = stop;
}

void Client::sent(int result) {
  if (result != 1) throw_lost(PQerrorMessage(get()));
}

bool Client::in_transaction() const {
  const auto status = PQtransactionStatus(get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
}

bool Client::has_setting(const char* name, std::string_view value) const {
  const char* const known = PQparameterStatus(get(), name);
  return known == nullptr || known == value;
}

void Client::expect_cancel() {
  if (wake_) return;
  wake_ = base::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) throw base::errno_error(errno, {}, "no event descriptor could be made");
  woken_ = poll_.add(wake_.get());
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
    if (!poll_.wait(interrupted ? std::min(patience_, base::Deadline(again_)) : deadline_, stop_opening_)) {
      if (is_opening_) throw_not_open(stop_opening_);
      if (!cancellable_ || (interrupted && patience_.passed(runtime_.now()))) {
        throw_lost("the server did not answer in time");
      }
      interrupted ? send_cancel_again() : interrupt(Reason::timeout);
      continue;
    }
    if (wake_ && poll_.ready(woken_)) {
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
    if (left < 0) throw_lost(PQerrorMessage(get()));
    if (reason_ == Reason::timeout) throw Error(Code::timeout, "the time was over while data was sent");
    if (reason_ == Reason::cancelled) throw Error(Code::cancelled, "stopped on request while data was sent");
    if (left == 0) return;
    wait(POLLIN | POLLOUT);
    if (PQconsumeInput(get()) != 1) throw_lost(PQerrorMessage(get()));
  }
}

void Client::wait_for_result() {
  while (PQisBusy(get()) == 1) {
    const int left = PQflush(get());
    if (left < 0) throw_lost(PQerrorMessage(get()));
    wait(left == 0 ? POLLIN : POLLIN | POLLOUT);
    if (PQconsumeInput(get()) != 1) throw_lost(PQerrorMessage(get()));
  }
}

ResultHandle Client::next_result() {
  base::check_no_local_mutex_held("a task waits for a server");
  if (!waits_for_server_only() || PQflush(get()) != 0) wait_for_result();  // Else libpq waits by itself, for less.
  ResultHandle result(PQgetResult(get()));
  if (PQstatus(get()) == CONNECTION_BAD) throw_lost(PQerrorMessage(get()));
  return result;
}

ResultHandle Client::drop_results() {
  const bool pipelined = PQpipelineStatus(get()) != PQ_PIPELINE_OFF;
  ResultHandle failure;
  for (;;) {
    auto result = next_result();
    if (result == nullptr) {
      if (!pipelined) return failure;
      continue;
    }
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_FATAL_ERROR && failure == nullptr) failure = std::move(result);
  }
  PQexitPipelineMode(get());
  return failure;
}

void Client::send_first(const std::string& sql) {
  PQenterPipelineMode(get());
  sent(PQsendQueryParams(get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0));
}

void Client::end_following() { sent(PQpipelineSync(get())); }

void Client::start_following(std::string_view about) {
  while (const auto result = next_result()) {
    if (PQresultStatus(result.get()) != PGRES_FATAL_ERROR) continue;
    const auto failure = error(result.get(), about);
    drop_results();
    throw failure;
  }
}

ResultHandle Client::describe(const std::string& sql, std::string_view about) {
  ResultHandle described;
  const auto all = [&] {
    std::optional<Error> failure;
    while (auto result = next_result()) {
      if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failure) failure = error(result.get(), about);
      described = std::move(result);
    }
    if (failure) throw *failure;
  };
  sent(PQsendPrepare(get(), "", sql.c_str(), 0, nullptr));
  all();
  sent(PQsendDescribePrepared(get(), ""));
  all();
  return described;
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
  if (fault.state == "25006" && is_standby()) {
    return Error(Code::read_only_server, "the server is a standby, which takes no changes: connect to the primary",
                 {.code = 0, .message = fault.message, .state = fault.state});
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
