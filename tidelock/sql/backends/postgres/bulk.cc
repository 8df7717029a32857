#include "tidelock/sql/backends/postgres/bulk.h"

#include <cstring>
#include <optional>
#include <utility>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/postgres/bytes.h"
#include "tidelock/sql/backends/postgres/codec.h"
#include "tidelock/sql/backends/postgres/session.h"

namespace tidelock::sql::postgres {
namespace {

constexpr std::size_t kSendBytes = 64 << 10;
constexpr std::size_t kPieceBytes = 1 << 20;  // Of a long row: libpq keeps a copy of what is on its way.
constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);

}  // namespace

PostgresBulk::PostgresBulk(PostgresSession& session, std::string_view table, std::span<const std::string> columns)
    : session_(session), about_("bulk " + std::string(table)), columns_(columns.begin(), columns.end()) {
  std::string names;
  for (const auto& column : columns) names += (names.empty() ? "" : ", ") + quoted_name(column);
  find_types("select " + names + " from " + std::string(table) + " where false");
  begin_copy("copy " + std::string(table) + " (" + names + ") from stdin (format binary)");
}

void PostgresBulk::find_types(const std::string& select) {
  session_.start(session_.transaction_deadline());
  const auto result = session_.client().describe(select, about_);
  for (int i = 0; i < PQnfields(result.get()); ++i) {
    types_.push_back(PQftype(result.get(), i));
    if (takes_binary_form(types_.back())) continue;
    throw Error(Code::unsupported, "the column " + base::quoted(columns_[static_cast<std::size_t>(i)]) + " of " +
                                       about_ + " is of a type that is written by statements only: use insert");
  }
}

void PostgresBulk::begin_copy(const std::string& copy) {
  auto& client = session_.client();
  session_.start(session_.transaction_deadline());
  client.sent(PQsendQuery(client.get(), copy.c_str()));
  const auto result = client.next_result();
  if (PQresultStatus(result.get()) != PGRES_COPY_IN) {
    const auto error = client.error(result.get(), about_);
    client.drop_results();
    throw error;
  }
  copying_ = true;
  buffer_ = kHeader;
}

PostgresBulk::~PostgresBulk() {
  if (copying_) end();
}

void PostgresBulk::append(std::span<const ValueView> row) {
  const auto begin = buffer_.size();
  append_network(buffer_, static_cast<std::int16_t>(row.size()));
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (std::holds_alternative<Null>(row[i])) {
      append_network(buffer_, std::int32_t{-1});
      continue;
    }
    const auto at = buffer_.size();
    if (at - begin + bytes_of(row[i]) > kBytesMost) throw_too_large("a row of " + about_);
    append_network(buffer_, std::int32_t{0});
    append_column(buffer_, row[i], types_[i], columns_[i]);
    const auto size = to_network(static_cast<std::int32_t>(buffer_.size() - at - sizeof(std::int32_t)));
    std::memcpy(buffer_.data() + at, &size, sizeof size);
  }
  if (buffer_.size() >= kSendBytes) send();
}

void PostgresBulk::send() {
  auto& client = session_.client();
  const auto deadline = session_.transaction_deadline();
  if (!deadline.is_never() && deadline.passed(client.runtime().now())) {
    throw Error(Code::timeout, "the time of the transaction was over: " + about_);
  }
  client.look();
  for (std::string_view left = buffer_; !left.empty();) {
    const auto piece = left.substr(0, kPieceBytes);
    client.sent(PQputCopyData(client.get(), piece.data(), static_cast<int>(piece.size())));
    client.flush();
    left.remove_prefix(piece.size());
  }
  buffer_.clear();
}

void PostgresBulk::finish() {
  auto& client = session_.client();
  append_network(buffer_, std::int16_t{-1});
  send();
  copying_ = false;
  client.sent(PQputCopyEnd(client.get(), nullptr));
  std::optional<Error> failure;
  while (const auto result = client.next_result()) {
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failure) failure = client.error(result.get(), about_);
  }
  if (failure) throw *failure;
}

// What was sent is dropped by the server, and the transaction with it.
void PostgresBulk::end() noexcept {
  auto& client = session_.client();
  if (!client.is_good()) return;
  try {
    client.start_uncancellable(base::later(client.runtime().now(), std::chrono::seconds(10)));
    client.sent(PQputCopyEnd(client.get(), "the rows were not finished"));
    client.drop_results();
  } catch (const std::exception&) {
    client.give_up();
  }
}

}  // namespace tidelock::sql::postgres
