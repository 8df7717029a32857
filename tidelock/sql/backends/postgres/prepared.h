// One statement of PostgreSQL and its execution.
//
// A parameter has the type that the server finds for it in the statement. Where it finds none, or none that goes with
// the values (`select ? + ?`), the statement is prepared once more with the types of the values themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/backends/postgres/handle.h"
#include "tidelock/sql/backends/postgres/lex.h"
#include "tidelock/sql/driver.h"

namespace tidelock::sql::postgres {

class PostgresSession;

class PostgresPrepared final : public Prepared {
 public:
  // Until the deadline. Errors: those of the server; too_large for more values than it takes.
  PostgresPrepared(PostgresSession& session, std::string_view sql, base::Deadline deadline);
  ~PostgresPrepared() override;

  std::size_t parameter_count() const override { return parameter_count_; }
  std::size_t column_count() const override { return columns_.size(); }
  std::string_view column_name(std::size_t column) const override { return columns_[column].name; }
  void start(std::span<const ValueView> values, base::Deadline deadline) override;
  bool next() override;
  ValueView value(std::size_t column) override;
  std::int64_t changes() const override { return changes_; }
  void finish() noexcept override;

 private:
  struct Column {
    std::string name;
    Oid type;
    std::string scratch{};
  };
  struct Parameters {
    std::string bytes;
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
  };

  std::optional<Error> try_parse(const std::vector<Oid>& types);
  bool is_settled(std::size_t i, const ValueView& value, Oid hint) const;
  bool are_settled(std::span<const ValueView> values) const;
  std::vector<Oid> hints(std::span<const ValueView> values, Oid whole) const;
  void fit_types(std::span<const ValueView> values);
  void encode(std::span<const ValueView> values);
  void describe(const PGresult* result);
  void send(std::span<const ValueView> values);
  void take_first();
  void take_count();
  void execute(std::span<const ValueView> values);
  bool is_outdated(const Error& error) const;
  bool has_done_nothing(const Error& error) const;
  void prepare_again();
  void fail(const PGresult* result);
  Error outcome(const Error& error) const;  // As the caller meets it, once it runs or ran.
  std::string about() const;

  PostgresSession& session_;
  const std::string sql_;
  const Effects effects_;
  std::size_t parameter_count_ = 0;
  std::string name_;              // At the server; empty: not prepared there.
  std::optional<Error> refused_;  // Why not, where the types of values may help.
  std::vector<Oid> types_;        // Of the parameters.
  std::vector<Column> columns_;
  std::vector<bool> hinted_;  // Their types are ours, not the server's.
  bool stale_ = false;        // The schema changed: prepared anew before the next execution.
  bool as_text_ = false;      // Values of other kinds go as text where the server takes them for text.
  bool binary_ = true;        // The form of the results.
  Parameters parameters_;

  ResultHandle rows_;   // One, or all of a statement that changes some.
  int row_ = 0;         // The current one of them.
  bool ahead_ = false;  // It was not given out yet.
  bool running_ = false;
  std::int64_t changes_ = 0;
};

}  // namespace tidelock::sql::postgres
