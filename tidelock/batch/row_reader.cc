#include "tidelock/batch/row_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/sql/convert.h"

namespace tidelock::batch {
namespace {

using sql::Kind;
using sql::ValueView;

constexpr std::size_t kRecordBytesMax = 1000;  // Of a bad row, as it is kept.

std::string_view copied_text(std::pmr::memory_resource& memory, std::string_view text) {
  if (text.empty()) return "";
  auto* bytes = static_cast<char*>(memory.allocate(text.size(), 1));
  std::memcpy(bytes, text.data(), text.size());
  return {bytes, text.size()};
}

ValueView copied(std::pmr::memory_resource& memory, const ValueView& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return copied_text(memory, *text);
  if (const auto* decimal = std::get_if<sql::DecimalView>(&value)) {
    return sql::DecimalView{copied_text(memory, decimal->text)};
  }
  if (const auto* json = std::get_if<sql::JsonView>(&value)) return sql::JsonView{copied_text(memory, json->text)};
  if (const auto* blob = std::get_if<sql::BlobView>(&value)) {
    const auto bytes = copied_text(memory, std::string_view(reinterpret_cast<const char*>(blob->data()), blob->size()));
    return sql::BlobView(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  }
  return value;
}

std::string described(std::span<const ValueView> values) {
  std::string text;
  for (const auto& value : values) {
    if (!text.empty() || &value != values.data()) text += ',';
    if (const auto* plain = std::get_if<std::string_view>(&value)) {
      text += *plain;
    } else if (!std::holds_alternative<sql::Null>(value)) {
      text += sql::to_text(value);
    }
    if (text.size() > kRecordBytesMax) break;
  }
  // Whatever bytes it has, it can be stored and shown.
  if (text.size() <= kRecordBytesMax && !base::find_invalid_utf8(text) && text.find('\0') == std::string::npos) {
    return text;
  }
  return base::quoted(text, kRecordBytesMax);
}

// A value of a query as the type of its field; empty when that is not possible without a loss.
std::optional<ValueView> coerced(Kind type, const ValueView& value, std::pmr::memory_resource& memory) {
  const auto as = [&](auto converted) { return converted ? std::optional<ValueView>(*converted) : std::nullopt; };
  switch (type) {
    case Kind::boolean:
      return as(sql::try_convert<bool>(value));
    case Kind::int64:
      return as(sql::try_convert<std::int64_t>(value));
    case Kind::real:
      return as(sql::try_convert<double>(value));
    case Kind::decimal: {
      const auto decimal = sql::try_convert<sql::Decimal>(value);
      return decimal ? std::optional<ValueView>(sql::DecimalView{copied_text(memory, decimal->text())}) : std::nullopt;
    }
    case Kind::text:
      return as(sql::try_convert<std::string_view>(value));
    case Kind::date:
      return as(sql::try_convert<sql::Date>(value));
    case Kind::time:
      return as(sql::try_convert<sql::TimeOfDay>(value));
    case Kind::timestamp:
      return as(sql::try_convert<sql::Timestamp>(value));
    case Kind::uuid:
      return as(sql::try_convert<base::Uuid>(value));
    case Kind::json:  // What an engine calls json is for the engine to judge.
      return std::holds_alternative<sql::JsonView>(value) ? std::optional(value) : std::nullopt;
    case Kind::null:
    case Kind::blob:
      break;
  }
  return std::nullopt;
}

}  // namespace

void Chunk::reset(std::size_t columns) {
  columns_ = columns;
  values_.clear();
  text_.release();
  marks_.clear();
  places_.clear();
  bad_.clear();
  last_ = false;
  too_many_ = false;
}

BadRow Chunk::as_bad_row(std::size_t i, std::string error) const {
  return {after(i).position, place(i), described(row(i)), std::move(error)};
}

RowReader::RowReader(std::unique_ptr<Source> source, const ChunkStep& step, const Moment& moment)
    : source_(std::move(source)), moment_(moment) {
  if (step.record) {
    map_columns(*step.record);
    for (const auto& text : step.record->checks) checks_.push_back(Condition::parse(text, fields_));
    if (!step.only.empty()) only_ = Condition::parse(step.only, fields_);
  } else {
    columns_ = source_->columns();
  }
  row_.resize(columns_.size());
  mark_.fingerprint = fingerprint_.digest();
  more_ = source_->next();
}

void RowReader::map_columns(const Record& record) {
  fields_ = record.fields;
  const auto& there = source_->columns();
  std::vector<std::string> missing;
  for (const auto& field : fields_) {
    const auto found = std::ranges::find(there, field.name);
    if (found == there.end()) missing.push_back(field.name);
    source_of_.push_back(static_cast<std::size_t>(found - there.begin()));
    columns_.push_back(field.name);
  }
  std::vector<std::string> extra;
  for (const auto& column : there) {
    if (std::ranges::find(columns_, column) == columns_.end()) extra.push_back(column);
  }
  if (missing.empty() && extra.empty()) return;
  std::string why;
  if (!missing.empty()) why += fmt::format("; it lacks {}", base::listed(missing));
  if (!extra.empty()) why += fmt::format("; the record does not know {}", base::listed(extra));
  throw Error(Code::invalid_argument,
              fmt::format("{} has the columns {}, and record {} needs {}{}", source_->name(), base::listed(there),
                          base::quoted(record.name), base::listed(columns_), why));
}

void RowReader::advance() {
  fingerprint_.add(source_->values());
  ++mark_.position;
  mark_.fingerprint = fingerprint_.digest();
}

void RowReader::pass_over(std::uint64_t position, std::uint64_t fingerprint) {
  while (more_ && mark_.position < position) {
    advance();
    more_ = source_->next();
  }
  if (mark_.position == position && mark_.fingerprint == fingerprint) return;
  throw Error(Code::invalid_argument,
              fmt::format("the first {} rows of {} are not those that this run has committed already; it cannot go on "
                          "in changed data: give it back as it was, or begin a new run",
                          position, source_->name()));
}

void RowReader::read(Chunk& chunk, std::size_t rows, std::uint64_t bad_max) {
  chunk.reset(columns_.size());
  std::string error;
  while (more_ && chunk.size() < rows) {
    const auto verdict = judge(error);
    if (verdict == Verdict::good) keep(chunk);
    if (verdict == Verdict::bad) {
      chunk.bad_.push_back({mark_.position + 1, source_->place(), described(source_->values()), error});
    }
    advance();
    if (verdict == Verdict::good) chunk.marks_.push_back(mark_);
    if (verdict == Verdict::passed_over) ++mark_.passed_over;
    if (verdict == Verdict::bad) ++mark_.bad;
    chunk.too_many_ = chunk.bad_.size() > bad_max;
    if (chunk.too_many_) break;
    more_ = source_->next();
  }
  chunk.end_ = mark_;
  chunk.last_ = !more_;
}

void RowReader::keep(Chunk& chunk) {
  for (const auto& value : row_) chunk.values_.push_back(copied(chunk.text_, value));
  chunk.places_.push_back(source_->place());
}

RowReader::Verdict RowReader::judge(std::string& error) {
  const auto values = source_->values();
  if (values.size() != source_->columns().size()) {
    error = fmt::format("it has {} fields, not the {} of the header", values.size(), source_->columns().size());
    return Verdict::bad;
  }
  if (fields_.empty()) {
    std::ranges::copy(values, row_.begin());
    return Verdict::good;
  }
  made_.release();
  converted_.assign(fields_.size(), false);
  try {
    if (!is_wanted()) return Verdict::passed_over;
    for (std::size_t i = 0; i < fields_.size(); ++i) convert(i);
    check();
    return Verdict::good;
  } catch (const Error& failed) {
    error = failed.message();
    return Verdict::bad;
  }
}

bool RowReader::is_wanted() {
  if (!only_) return true;
  for (const auto field : only_->fields()) convert(field);
  return only_->evaluate(row_, moment_) == true;
}

void RowReader::convert(std::size_t i) {
  if (converted_[i]) return;
  const auto& field = fields_[i];
  const auto& value = source_->values()[source_of_[i]];
  if (std::holds_alternative<sql::Null>(value)) {
    if (!field.nullable) {
      throw Error(Code::invalid_argument, field.name + " is empty, and only a type that ends in ? may be");
    }
    row_[i] = value;
  } else if (const auto* text = std::get_if<std::string_view>(&value)) {
    row_[i] = parse_value(field, *text);
  } else if (const auto made = coerced(field.type, value, made_)) {
    row_[i] = *made;
  } else {
    throw Error(Code::invalid_argument,
                fmt::format("{} must be of type {}, not {} ({})", field.name, type_name(field.type),
                            base::quoted(sql::to_text(value)), sql::name(kind(value))));
  }
  converted_[i] = true;
}

void RowReader::check() {
  for (const auto& condition : checks_) {
    if (condition.evaluate(row_, moment_) == false) {
      throw Error(Code::invalid_argument, condition.text() + " does not hold");
    }
  }
}

}  // namespace tidelock::batch
