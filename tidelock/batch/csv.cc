#include "tidelock/batch/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::batch {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::size_t kFieldBytesMax = std::size_t{16} << 20;

int no_blanks(unsigned char) { return 0; }  // Blanks are text.

bool begins_with(std::span<const std::byte> bytes, std::initializer_list<unsigned char> wanted) {
  return bytes.size() >= wanted.size() &&
         std::equal(wanted.begin(), wanted.end(), bytes.begin(), [](auto a, auto b) { return std::byte{a} == b; });
}

}  // namespace

CsvReader::CsvReader(base::Files& files, const base::Path& path)
    : path_(path), bytes_(open_bytes(files, path)), buffer_(kBufferBytes) {
  constexpr unsigned char kOptions = CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL | CSV_REPALL_NL;
  if (csv_init(&parser_, kOptions) != 0) throw Error(Code::internal, "the CSV parser cannot be set up");
  csv_set_space_func(&parser_, no_blanks);
  try {
    read_header();
  } catch (...) {
    csv_free(&parser_);
    throw;
  }
}

CsvReader::~CsvReader() { csv_free(&parser_); }

void CsvReader::refuse(std::uint64_t line, const std::string& why) const {
  throw Error(Code::invalid_argument, fmt::format("{}:{}: {}", path_.string(), line, why));
}

void CsvReader::read_header() {
  CsvRow row;
  if (!next(row)) refuse(1, "the file is empty; its first line must name the columns");
  for (const auto& field : row.fields) {
    if (!field || field->empty()) refuse(row.line, fmt::format("column {} has no name", header_.size() + 1));
    if (base::find_invalid_utf8(*field) || field->find('\0') != std::string_view::npos) {
      refuse(row.line, "the names of the columns are not UTF-8 text: " + base::quoted(*field));
    }
    if (std::ranges::find(header_, *field) != header_.end()) {
      refuse(row.line, "the column " + base::quoted(*field) + " comes twice");
    }
    header_.emplace_back(*field);
  }
}

bool CsvReader::next(CsvRow& row) {
  while (next_line_ == lines_.size()) {
    if (at_end_) return false;
    refill();
  }
  const auto& line = lines_[next_line_++];
  fields_.clear();
  for (const auto& place : std::span(places_).subspan(line.first, line.count)) {
    fields_.push_back(place.present ? std::optional(std::string_view(text_).substr(place.begin, place.length))
                                    : std::nullopt);
  }
  row = {fields_, line.line};
  return true;
}

void CsvReader::refill() {
  // What was handed out goes; a row that has begun stays.
  const auto kept = row_begin_ < places_.size() ? places_[row_begin_].begin : text_.size();
  text_.erase(0, kept);
  places_.erase(places_.begin(), places_.begin() + static_cast<std::ptrdiff_t>(row_begin_));
  for (auto& place : places_) place.begin -= kept;
  row_begin_ = 0;
  lines_.clear();
  next_line_ = 0;

  const auto count = bytes_->read(buffer_);
  auto block = std::span<const std::byte>(buffer_).first(count);
  if (std::exchange(at_begin_, false)) {
    if (begins_with(block, {0xff, 0xfe}) || begins_with(block, {0xfe, 0xff})) {
      refuse(1, "the file is UTF-16; convert it to UTF-8, for example by iconv -f UTF-16 -t UTF-8");
    }
    if (begins_with(block, {0xef, 0xbb, 0xbf})) block = block.subspan(3);
  }
  if (count > 0) return parse(block);
  at_end_ = true;
  if (csv_fini(&parser_, on_field, on_row, this) != 0) {
    refuse(row_line_, "a quoted field of the row that begins here does not end");
  }
}

void CsvReader::parse(std::span<const std::byte> bytes) {
  const auto parsed = csv_parse(&parser_, bytes.data(), bytes.size(), on_field, on_row, this);
  if (parsed == bytes.size()) {
    if (csv_get_buffer_size(&parser_) > kFieldBytesMax) {
      throw Error(Code::too_large, fmt::format("{}:{}: a field of the row that begins here is longer than 16 MiB; is a "
                                               "quote not closed?",
                                               path_.string(), row_line_));
    }
    return;
  }
  if (csv_error(&parser_) == CSV_ENOMEM) throw Error(Code::unavailable, "no memory to parse " + path_.string());
  refuse(line_, R"(a quote inside a field: a field with quotes is written "like ""this"" one")");
}

void CsvReader::on_field(void* data, std::size_t length, void* self) {
  auto& reader = *static_cast<CsvReader*>(self);
  const std::string_view text =
      data == nullptr ? std::string_view() : std::string_view(static_cast<char*>(data), length);
  reader.places_.push_back({reader.text_.size(), text.size(), data != nullptr});
  reader.text_ += text;
  reader.line_ += static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

void CsvReader::on_row(int terminator, void* self) {
  auto& reader = *static_cast<CsvReader*>(self);
  const auto count = reader.places_.size() - reader.row_begin_;
  if (count > 0) reader.lines_.push_back({reader.row_begin_, count, reader.row_line_});
  reader.row_begin_ = reader.places_.size();
  if (terminator == '\n') ++reader.line_;
  reader.row_line_ = reader.line_;
}

}  // namespace tidelock::batch
