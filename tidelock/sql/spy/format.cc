#include "tidelock/sql/spy/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/spy/decimal.h"
#include "tidelock/sql/spy/layout.h"

namespace tidelock::sql::spy {
namespace {

enum Placeholder : std::size_t {
  kConnectionId,
  kCurrentTime,
  kExecutionTime,
  kCategory,
  kEffectiveSql,
  kEffectiveSqlSingleLine,
  kSql,
  kSqlSingleLine,
  kUrl,
  kMicros,
  kRows,
  kJob,
  kRun,
  kStep,
  kToken,
  kTransaction,
  kError,
  kNone,
};
// P6Spy's first. There, effectiveSql is the text that the driver gets, and sql the one with the values.
constexpr std::array<std::string_view, kNone> kPlaceholderNames{
    "connectionId", "currentTime",   "executionTime", "category",    "effectiveSql", "effectiveSqlSingleLine",
    "sql",          "sqlSingleLine", "url",           "micros",      "rows",         "job",
    "run",          "step",          "token",         "transaction", "error"};

std::int64_t in_ms(std::chrono::microseconds elapsed) { return elapsed.count() / 1000; }

}  // namespace

std::vector<std::string> placeholder_names() { return {kPlaceholderNames.begin(), kPlaceholderNames.end()}; }

Formatter::Formatter(FormatOptions options) : options_(std::move(options)) {
  if (!options_.date_format.empty()) date_format_.emplace(options_.date_format, options_.zone);
  if (!options_.date_literals.empty()) forms_.date = &date_literals_.emplace(options_.date_literals, options_.zone);
  if (!options_.timestamp_literals.empty()) {
    forms_.timestamp = &timestamp_literals_.emplace(options_.timestamp_literals, options_.zone);
  }
  forms_.numeric_booleans = options_.numeric_booleans;
  std::string_view rest = options_.custom;
  for (;;) {
    const auto begin = rest.find("%(");
    if (begin == rest.npos) break;
    const auto end = rest.find(')', begin);
    const auto name = rest.substr(begin + 2, end == rest.npos ? end : end - begin - 2);
    const auto found = std::ranges::find(kPlaceholderNames, name);
    if (end == rest.npos || found == kPlaceholderNames.end()) {
      const auto names = placeholder_names();
      const auto nearest = base::nearest_name(name, names);
      throw Error(
          Code::invalid_argument,
          fmt::format("placeholder %({}) in the format {} is not known: {}", name, base::quoted(options_.custom),
                      nearest ? fmt::format("did you mean %({})?", *nearest) : "there are " + base::listed(names)));
    }
    custom_.push_back(
        {std::string(rest.substr(0, begin)), static_cast<std::size_t>(found - kPlaceholderNames.begin())});
    rest.remove_prefix(end + 1);
  }
  custom_.push_back({std::string(rest), kNone});
}

void Formatter::append(std::string& out, const Record& record) {
  switch (options_.format) {
    case Format::single:
      append_single(out, record);
      break;
    case Format::multi:
      append_multi(out, record);
      break;
    case Format::custom:
      append_custom(out, record);
      break;
    case Format::json:
      return append_json(out, record);
  }
  out += '\n';
}

void Formatter::append_now(std::string& out, base::WallTime time) const {
  if (date_format_) return date_format_->append(out, time);
  append_number(out, std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count());
}

std::string_view Formatter::effective(const Record& record) {
  effective_.clear();
  record.statement->append_effective(effective_, record.values, forms_);
  return effective_;
}

std::string Formatter::laid_out(std::string_view sql, const Record& record) const {
  std::string text;
  switch (options_.layout) {
    case Layout::written:
      text = sql;
      break;
    case Layout::line:
      append_one_line(text, sql);
      break;
    case Layout::clauses:
      text = in_clauses(sql, record.statement->place().lexis);
      break;
  }
  return text;
}

void Formatter::append_single(std::string& out, const Record& record) {
  append_now(out, record.time);
  out += '|';
  append_number(out, in_ms(record.elapsed));
  out += '|';
  out += name(record.category);
  out += "|connection ";
  append_number(out, record.connection);
  out += "|url ";
  out += record.statement->place().url;
  out += '|';
  append_one_line(out, record.statement->sql());
  out += '|';
  append_one_line(out, effective(record));
}

void Formatter::append_multi(std::string& out, const Record& record) {
  out += '#';
  append_now(out, record.time);
  fmt::format_to(std::back_inserter(out), " | took {}ms | {} | connection {}| url {}\n", in_ms(record.elapsed),
                 name(record.category), record.connection, record.statement->place().url);
  out += laid_out(record.statement->sql(), record);
  out += '\n';
  out += laid_out(effective(record), record);
  out += ';';
}

void Formatter::append_custom(std::string& out, const Record& record) {
  for (const auto& piece : custom_) {
    out += piece.text;
    append_placeholder(out, piece.placeholder, record);
  }
}

void Formatter::append_placeholder(std::string& out, std::size_t placeholder, const Record& record) {
  switch (placeholder) {
    case kConnectionId:
      return append_number(out, record.connection);
    case kCurrentTime:
      return append_now(out, record.time);
    case kExecutionTime:
      return append_number(out, in_ms(record.elapsed));
    case kCategory:
      out += name(record.category);
      return;
    case kEffectiveSql:
      out += laid_out(record.statement->sql(), record);
      return;
    case kEffectiveSqlSingleLine:
      return append_one_line(out, record.statement->sql());
    case kSql:
      out += laid_out(effective(record), record);
      return;
    case kSqlSingleLine:
      return append_one_line(out, effective(record));
    case kUrl:
      out += record.statement->place().url;
      return;
    case kMicros:
      return append_number(out, record.elapsed.count());
    case kRows:
      return append_number(out, record.rows);
    case kJob:
      out += record.work.job;
      return;
    case kRun:
      out += record.work.run;
      return;
    case kStep:
      out += record.work.step;
      return;
    case kToken:
      if (record.work.token) append_number(out, *record.work.token);
      return;
    case kTransaction:
      if (record.transaction != 0) append_number(out, record.transaction);
      return;
    case kError:
      return append_one_line(out, record.error);
    default:
      return;
  }
}

}  // namespace tidelock::sql::spy
