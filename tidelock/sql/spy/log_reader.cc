#include "tidelock/sql/spy/log_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/spy/layout.h"
#include "tidelock/sql/spy/record.h"
#include "tidelock/sql/spy/tokens.h"

namespace tidelock::sql::spy {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::size_t kLineMax = std::size_t{16} << 20;
constexpr std::size_t kUnreadableKept = 10;
constexpr std::int64_t kMicrosMax = 1'000'000'000'000'000;  // Thirty years.
constexpr std::size_t kWorkOnAByte = 32;                    // To find where the two texts of a line meet.

[[noreturn]] void refuse(const std::string& what) { throw Error(Code::invalid_argument, what); }

std::int64_t number(std::string_view text, const char* what) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || value < 0) {
    refuse(std::string(what) + " " + base::quoted(text, 40) + " is no number");
  }
  return value;
}

// A JSON value, which is no array and no object, as it would stand in SQL.
void append_value(std::string& out, const nlohmann::json& value, const Lexis& lexis) {
  if (!value.is_string()) {
    out += value.is_null() ? "NULL" : value.dump();
    return;
  }
  out += '\'';
  for (const char c : value.get_ref<const std::string&>()) {
    out += c;
    if (c == '\'' || (c == '\\' && lexis.backslash_escapes)) out += c;
  }
  out += '\'';
}

std::string with_values(const std::string& sql, const nlohmann::json& values, const Lexis& lexis) {
  std::string out;
  std::size_t next = 0;
  for (const auto& token : tokens_of(sql, lexis)) {
    if (token.kind == TokenKind::placeholder && next < values.size()) {
      append_value(out, values[next++], lexis);
    } else {
      out += token.text;
    }
  }
  return out;
}

LogEntry parse_json(std::string_view line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) refuse("no JSON object");
  const auto text = [&](const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) return std::string();
    if (!found->is_string()) refuse(std::string("\"") + key + "\" is no text");
    return found->get<std::string>();
  };
  const auto count = [&](const char* key) -> std::int64_t {
    const auto found = object.find(key);
    if (found == object.end()) return 0;
    if (!found->is_number_integer()) refuse(std::string("\"") + key + "\" is no whole number");
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    if (found->is_number_unsigned() && found->get<std::uint64_t>() > std::uint64_t{kMax}) return kMax;
    return found->get<std::int64_t>();
  };
  if (!object.contains("category") || !object.contains("micros")) refuse("no \"category\" and \"micros\" in it");
  LogEntry entry;
  entry.time = text("time");
  entry.elapsed = std::chrono::microseconds(count("micros"));
  entry.category = text("category");
  entry.database = text("database");
  entry.sql = text("sql");
  entry.rows = std::max<std::int64_t>(count("rows"), 0);
  entry.error = text("error");
  entry.job = text("job");
  entry.run = text("run");
  entry.step = text("step");
  const auto micros = entry.elapsed.count();
  if (micros < 0 || micros > kMicrosMax) refuse("\"micros\" is no time that a statement takes");
  const auto values = object.find("values");
  if (values == object.end() || !values->is_array()) {
    entry.effective = entry.sql;
    return entry;
  }
  for (const auto& value : *values) {
    if (value.is_structured()) refuse("\"values\" holds an array or an object, which no statement is given");
  }
  entry.effective = with_values(entry.sql, *values, lexis_in_log(entry.database));
  return entry;
}

// Where a `?` or `??` is, for which there is something else in the text with values.
struct Hole {
  std::size_t begin, end;
};
std::vector<Hole> holes_of(std::string_view sql, const Lexis& lexis) {
  std::vector<Hole> holes;
  for (const auto& token : tokens_of(sql, lexis)) {
    if (token.kind != TokenKind::placeholder && !token.is_symbol("??")) continue;
    holes.push_back({token.offset, token.offset + token.text.size()});
  }
  return holes;
}

// Whether `filled` is `sql` with something in the place of each hole. What it costs is taken off `work`.
bool is_filled(std::string_view sql, std::span<const Hole> holes, std::string_view filled, std::size_t& work) {
  const auto pay = [&](std::size_t bytes) { work -= std::min(work, bytes + 1); };
  const auto head = sql.substr(0, holes.front().begin);
  const auto tail = sql.substr(holes.back().end);
  if (filled.size() < head.size() + holes.size() + tail.size()) return false;
  const auto same = std::ranges::mismatch(head, filled).in1 - head.begin();
  pay(static_cast<std::size_t>(same));
  if (static_cast<std::size_t>(same) < head.size()) return false;
  pay(tail.size());
  if (!filled.ends_with(tail)) return false;
  filled.remove_suffix(tail.size());
  auto at = head.size();
  for (std::size_t i = 1; i < holes.size(); ++i) {
    const auto between = sql.substr(holes[i - 1].end, holes[i].begin - holes[i - 1].end);
    const auto found = filled.find(between, at + 1);
    pay(between.size() + std::min(found, filled.size()) - at);
    if (found == filled.npos || work == 0) return false;
    at = found + between.size();
  }
  return at < filled.size();
}

// "text with ?|text with values": the texts may hold a '|' themselves.
std::pair<std::string_view, std::string_view> split_texts(std::string_view both, const Lexis& lexis) {
  const auto split = [&](std::size_t at) { return std::pair(both.substr(0, at), both.substr(at + 1)); };
  if (both.size() % 2 == 1) {  // Without values they are equal.
    const auto [sql, effective] = split(both.size() / 2);
    if (both[both.size() / 2] == '|' && sql == effective) return {sql, effective};
  }
  const auto first = both.find('|');
  if (first == both.npos) refuse("the text with values is missing");
  const auto all = holes_of(both, lexis);
  std::size_t holes = 0;
  auto work = kWorkOnAByte * both.size();
  for (auto at = first; at != both.npos && work > 0; at = both.find('|', at + 1)) {
    while (holes < all.size() && all[holes].end <= at) ++holes;
    const auto [sql, effective] = split(at);
    if (holes > 0 && is_filled(sql, std::span(all).first(holes), effective, work)) return {sql, effective};
  }
  return split(first);
}

LogEntry parse_single(std::string_view line) {
  if (line.starts_with('#')) {
    refuse("P6Spy's multi-line form cannot be read: write SingleLineFormat or JSON");
  }
  std::array<std::string_view, 5> fields;
  auto rest = line;
  for (auto& field : fields) {
    const auto end = rest.find('|');
    if (end == rest.npos) refuse("neither JSON nor now|ms|category|connection N|url U|sql|sql");
    field = rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
  const auto [now, elapsed, category, connection, url] = fields;
  if (!connection.starts_with("connection ") || !url.starts_with("url ")) {
    refuse("neither JSON nor now|ms|category|connection N|url U|sql|sql");
  }
  LogEntry entry;
  entry.time = now;
  const auto took = number(elapsed.starts_with('-') ? "0" : elapsed, "the time it took,");  // -1 of the spy itself.
  entry.elapsed = std::chrono::milliseconds(std::min<std::int64_t>(took, kMicrosMax / 1000));
  entry.category = category;
  if (!find_category(category)) refuse("unknown category " + base::quoted(category, 40));
  entry.database = url.substr(std::string_view("url ").size());
  const auto [sql, effective] = split_texts(rest, lexis_in_log(entry.database));
  entry.sql = sql;
  entry.effective = effective;
  return entry;
}

}  // namespace

Lexis lexis_in_log(std::string_view url) {
  constexpr std::string_view kJdbc = "jdbc:";
  if (url.starts_with(kJdbc)) url.remove_prefix(kJdbc.size());
  // Of a URL that is not ours at least its engine is known. Others leave MariaDB as it comes.
  const auto scheme = std::string(url.substr(0, url.find(':')));
  const auto* const as_it_comes = engine_of(scheme) == "mariadb" ? "?ansi=false" : "";
  for (const auto& each : {std::string(url), scheme + "://x@x/x" + as_it_comes}) {
    try {
      return lexis_of(base::Url::parse(each));
    } catch (const Error&) {
    }
  }
  return any_lexis();
}

LogEntry parse_log_line(std::string_view line) { return line.starts_with('{') ? parse_json(line) : parse_single(line); }

LogReader::LogReader(base::Files& files, const base::Path& path) {
  const std::shared_ptr<base::File> file = files.open(path, base::OpenMode::read);
  size_ = file->size();
  read_ = [file, offset = std::uint64_t{0}](std::span<std::byte> out) mutable {
    const auto count = file->read_at(offset, out);
    offset += count;
    return count;
  };
}

LogReader::LogReader(Read read) : read_(std::move(read)) {}

void LogReader::pass_over(std::string why) {
  ++unreadable_count_;
  if (unreadable_.size() < kUnreadableKept) unreadable_.push_back({line_, std::move(why)});
}

// Valid until the next call. A line that is too long is passed over.
std::optional<std::string_view> LogReader::next_line() {
  for (;;) {
    const auto end = buffer_.find('\n', begin_);
    if (end != std::string::npos) {
      const auto line = std::string_view(buffer_).substr(begin_, end - begin_);
      begin_ = end + 1;
      ++line_;
      if (!std::exchange(too_long_, false)) return line;
      pass_over("longer than 16 MiB");
      continue;
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    if (buffer_.size() > kLineMax) {
      too_long_ = true;
      buffer_.clear();
    }
    const auto kept = buffer_.size();
    buffer_.resize(kept + kReadBytes);
    const auto count = read_(std::as_writable_bytes(std::span(buffer_).subspan(kept)));
    buffer_.resize(kept + count);
    offset_ += count;
    if (count > 0) continue;
    if (buffer_.empty() && !too_long_) return std::nullopt;
    ++line_;
    begin_ = buffer_.size();
    if (std::exchange(too_long_, false)) {
      pass_over("longer than 16 MiB");
      continue;
    }
    return std::string_view(buffer_);  // The last line, without its end.
  }
}

std::optional<LogEntry> LogReader::next() {
  while (auto line = next_line()) {
    if (line->ends_with('\r')) line->remove_suffix(1);
    if (line->empty()) continue;
    try {
      auto entry = parse_log_line(*line);
      entry.line = line_;
      return entry;
    } catch (const Error& error) {
      pass_over(error.message());
    }
  }
  return std::nullopt;
}

}  // namespace tidelock::sql::spy
