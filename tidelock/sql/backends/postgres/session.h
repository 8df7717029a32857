// One session of a PostgreSQL server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/sql/backends/postgres/client.h"
#include "tidelock/sql/backends/postgres/lex.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::postgres {

class PostgresSession final : public Session {
 public:
  // Connects, until the deadline. Borrows both. Errors: those of Client; unsupported for a database whose encoding says
  // nothing about its text.
  PostgresSession(base::Runtime& runtime, const Settings& settings, base::Deadline deadline,
                  const std::stop_token& stop = {});

  std::unique_ptr<Prepared> prepare(std::string_view sql, base::Deadline deadline) override;
  void run_script(std::string_view sql, base::Deadline deadline) override;
  void begin(const BeginOptions& options) override;
  Position commit(bool want_position) override;
  bool transaction_alive() const noexcept override { return client_.is_good() && client_.in_transaction(); }
  std::optional<Error> take_unread_failure() noexcept override { return std::exchange(unread_failure_, std::nullopt); }
  void rollback() noexcept override;
  void savepoint(std::string_view name) override;
  void release_savepoint(std::string_view name) override;
  void rollback_to_savepoint(std::string_view name) override;
  std::unique_ptr<Bulk> bulk(std::string_view table, std::span<const std::string> columns) override;
  void cancel() noexcept override { client_.cancel(); }
  void expect_cancel() override { client_.expect_cancel(); }
  bool reset() noexcept override;
  bool has_hung_up() noexcept override;
  bool is_alive(base::Deadline deadline, const std::stop_token& stop) noexcept override;

  void prepare_commit() override;
  Position commit_prepared(std::string_view xid, base::Deadline deadline) override;
  void rollback_prepared(std::string_view xid, base::Deadline deadline) override;
  std::vector<PreparedTransaction> prepared_transactions(base::Deadline deadline) override;
  std::int64_t session_id() override;
  void listen(std::string_view channel, base::Deadline deadline, const std::stop_token& stop) override;
  std::optional<Notification> wait_for_notification(base::Deadline deadline, const std::stop_token& stop) override;

  // For the statements and bulks of this session.
  Client& client() { return client_; }
  bool is_pooled() const { return pooled_; }
  bool begun() const { return begun_; }
  base::Deadline transaction_deadline() const { return deadline_; }
  // Before a statement is sent.
  void start(base::Deadline deadline) { client_.start(deadline, stop_); }
  // Behind a pooler: refuses what would stay in a session that is somebody else's next.
  void refuse_what_stays(std::string_view sql, const Effects& effects) const;
  // Behind a pooler: what makes our settings those of a transaction of this statement alone, to be run in it before.
  // Empty: not needed, or the statement takes no company.
  std::string settings_for(const Effects& effects) const;
  // A statement with these effects is about to be run. Errors: misuse, when it would let what may only read write, and
  // when something has done so already; read_only.
  void note(const Effects& effects);
  // A server that went away while nothing ran is found before anything is sent, so that nothing is unknown. Error:
  // connection_lost.
  void require_connected(std::string_view sql);
  // The error as the caller meets it: what was lost may have been applied when it committed itself.
  Error outcome(const Error& error, bool may_write);
  std::string next_name() { return "t" + std::to_string(++names_); }
  // Of the transaction, by a statement whose rows are dropped.
  void note_unread_failure(Error error) { unread_failure_ = std::move(error); }
  // To be forgotten by the server when something is sent anyway.
  void retire(std::string name) { retired_.push_back(std::move(name)); }
  std::vector<std::string> take_retired() { return std::exchange(retired_, {}); }

 private:
  ResultHandle command(const std::string& sql, base::Deadline deadline);
  void prepare_own(const char* name, const char* sql);
  Position commit_alone();
  Position commit_with_position();
  Position position_now(base::Deadline deadline) noexcept;
  void resolve(const std::string& sql, std::string_view xid, base::Deadline deadline);
  void run_one(std::string_view sql, base::Deadline deadline);
  void end_transaction() noexcept;
  bool is_set_free() const;  // It was opened to read only, and has been made to write.
  // Text is read as SQL has it. Error: unsupported, where the session reads this text in another way by now.
  void refuse_other_reading(std::string_view sql) const;
  void require_own_session(std::string_view what) const;

  const Settings& settings_;  // Of the driver, which outlives its sessions.
  const std::string& where_;
  Client client_;
  std::int64_t pid_ = 0;          // Of the server's process, as it says itself.
  bool pooled_ = false;           // Something between here and the server lends its sessions for a transaction.
  bool hears_of_access_ = false;  // Is told of it when a session that is to read only has been set to write.
  bool begun_ = false;
  bool reads_only_ = false;
  std::string xid_;
  base::Deadline deadline_ = base::Deadline::never();  // Of this transaction.
  std::stop_token stop_;
  std::optional<Error> unread_failure_;
  bool leaves_state_ = false;
  bool own_prepared_ = false;
  std::uint64_t names_ = 0;
  std::vector<std::string> retired_;
};

// What a message holds at most, and a value, and a row: the server allots no more than 1 GiB at a time, and wants a
// part of that for itself.
inline constexpr std::size_t kBytesMost = (std::size_t{1} << 30) - 1024;
[[noreturn]] void throw_too_large(std::string_view about);

// `name` as an identifier, `text` as a literal.
std::string quoted_name(std::string_view name);
std::string quoted_text(std::string_view text);

}  // namespace tidelock::sql::postgres
