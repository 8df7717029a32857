#include "tidelock/batch/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/batch/csv.h"
#include "tidelock/batch/script.h"
#include "tidelock/sql/convert.h"

namespace tidelock::batch {
namespace {

class CsvRows final : public Source {
 public:
  CsvRows(base::Files& files, const base::Path& path) : path_(path), reader_(files, path) {}

  const std::vector<std::string>& columns() const override { return reader_.header(); }
  bool next() override {
    if (!reader_.next(row_)) return false;
    values_.clear();
    for (const auto& field : row_.fields) values_.push_back(sql::to_view(field));
    return true;
  }
  std::span<const sql::ValueView> values() const override { return values_; }
  std::string place() const override { return fmt::format("{}:{}", name(), row_.line); }
  std::string name() const override { return path_.filename().string(); }

 private:
  const base::Path path_;
  CsvReader reader_;
  CsvRow row_;
  std::vector<sql::ValueView> values_;
};

class QueryRows final : public Source {
 public:
  QueryRows(sql::Database& store, std::string name, const BoundStatement& statement)
      : name_(std::move(name)),
        connection_(store.connect()),
        rows_(connection_.query_values(statement.sql, statement.values)) {
    for (std::size_t i = 0; i < rows_.column_count(); ++i) {
      const auto column = rows_.column_name(i);
      if (std::ranges::find(columns_, column) != columns_.end()) {
        throw Error(Code::invalid_argument,
                    fmt::format("{}: the column {} comes twice; name one by `as`", name_, base::quoted(column)));
      }
      columns_.emplace_back(column);
    }
    if (columns_.empty()) throw Error(Code::invalid_argument, name_ + ": this statement returns no rows");
  }

  const std::vector<std::string>& columns() const override { return columns_; }
  bool next() override {
    if (rows_.finished() || !rows_.next()) return false;
    const auto row = rows_.row();
    values_.clear();
    for (std::size_t i = 0; i < row.size(); ++i) values_.push_back(row[i]);
    ++count_;
    return true;
  }
  std::span<const sql::ValueView> values() const override { return values_; }
  std::string place() const override { return fmt::format("row {} of {}", count_, name_); }
  std::string name() const override { return name_; }

 private:
  const std::string name_;
  sql::Connection connection_;
  sql::Rows rows_;
  std::vector<std::string> columns_;
  std::vector<sql::ValueView> values_;
  std::uint64_t count_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_csv(base::Files& files, const CsvSource& source) {
  return std::make_unique<CsvRows>(files, source.path);
}

std::unique_ptr<Source> open_query(sql::Database& store, const QuerySource& source, const Moment& moment) {
  const auto statements = split_script(source.name, source.sql, store.dialect().lexis, moment);
  if (statements.size() != 1) {
    throw Error(Code::invalid_argument,
                fmt::format("{} must be one query; it has {} statements", source.name, statements.size()));
  }
  return std::make_unique<QueryRows>(store, source.name, statements.front());
}

}  // namespace tidelock::batch
