#include "tidelock/sql/text_form.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tidelock/base/ascii.h"

namespace tidelock::sql {
namespace {

constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

// Days since 1970-01-01. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

unsigned days_in_month(std::int64_t year, unsigned month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Takes its parts off the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  bool skip(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  // A number of so many digits; empty when there are fewer. Takes no more than `most`.
  std::optional<std::uint64_t> number(std::size_t least, std::size_t most) {
    std::size_t count = 0;
    while (count < text_.size() && count < most && base::ascii::is_digit(text_[count])) ++count;
    if (count < least) return std::nullopt;
    std::uint64_t value = 0;
    std::from_chars(text_.data(), text_.data() + count, value);
    text_.remove_prefix(count);
    digits_ = count;
    return value;
  }
  std::size_t digits() const { return digits_; }  // Of the last number.

 private:
  std::string_view text_;
  std::size_t digits_ = 0;
};

std::optional<std::int64_t> read_date(Reader& reader) {
  const bool negative = reader.skip('-');
  const auto year = reader.number(4, 9);
  if (!year || !reader.skip('-')) return std::nullopt;
  const auto month = reader.number(2, 2);
  if (!month || !reader.skip('-')) return std::nullopt;
  const auto day = reader.number(2, 2);
  const auto signed_year = negative ? -static_cast<std::int64_t>(*year) : static_cast<std::int64_t>(*year);
  if (!day || *month < 1 || *month > 12 || *day < 1) return std::nullopt;
  if (*day > days_in_month(signed_year, static_cast<unsigned>(*month))) return std::nullopt;
  return days_from_civil(signed_year, static_cast<unsigned>(*month), static_cast<unsigned>(*day));
}

std::optional<std::int64_t> read_time(Reader& reader) {  // Microseconds.
  const auto hour = reader.number(2, 2);
  if (!hour || *hour > 23 || !reader.skip(':')) return std::nullopt;
  const auto minute = reader.number(2, 2);
  if (!minute || *minute > 59) return std::nullopt;
  std::uint64_t seconds = *hour * 3600 + *minute * 60;
  std::uint64_t micros = 0;
  if (reader.skip(':')) {
    const auto second = reader.number(2, 2);
    if (!second || *second > 59) return std::nullopt;
    seconds += *second;
    if (reader.skip('.')) {
      const auto fraction = reader.number(1, 6);
      if (!fraction) return std::nullopt;
      micros = *fraction;
      for (auto digits = reader.digits(); digits < 6; ++digits) micros *= 10;
    }
  }
  return static_cast<std::int64_t>(seconds * 1'000'000 + micros);
}

void push_date(ShortText& out, Date date) {
  const auto civil = civil_day(date);
  if (civil.year < 0) out.push('-');
  out.push_number(static_cast<std::uint64_t>(civil.year < 0 ? -civil.year : civil.year), 4);
  out.push('-');
  out.push_number(civil.month, 2);
  out.push('-');
  out.push_number(civil.day, 2);
}

void push_time(ShortText& out, std::int64_t micros) {
  const auto seconds = static_cast<std::uint64_t>(micros / 1'000'000);
  out.push_number(seconds / 3600, 2);
  out.push(':');
  out.push_number(seconds / 60 % 60, 2);
  out.push(':');
  out.push_number(seconds % 60, 2);
  out.push('.');
  out.push_number(static_cast<std::uint64_t>(micros % 1'000'000), 6);
}

}  // namespace

void ShortText::push_number(std::uint64_t number, unsigned digits) {
  std::array<char, 20> reversed;
  unsigned count = 0;
  do {
    reversed[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  for (unsigned i = count; i < digits; ++i) push('0');
  while (count > 0) push(reversed[--count]);
}

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days; in 64 bits, since std::chrono::year
// holds no more than 32767.
CivilDay civil_day(Date date) {
  const std::int64_t shifted = std::int64_t{date.time_since_epoch().count()} + 719'468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(shifted - era * 146'097);
  const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned month_from_march = (5 * day_of_year + 2) / 153;
  const unsigned day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

ShortText format_date(Date date) {
  ShortText out;
  push_date(out, date);
  return out;
}

ShortText format_time(TimeOfDay time) {
  ShortText out;
  push_time(out, time.since_midnight.count());
  return out;
}

ShortText format_timestamp(Timestamp timestamp, char separator) {
  ShortText out;
  push_date(out, std::chrono::floor<std::chrono::days>(timestamp));
  out.push(separator);
  // Not the timestamp less its day: the first day of all begins before the type does.
  const auto since_midnight = timestamp.time_since_epoch().count() % kMicrosPerDay;
  push_time(out, since_midnight < 0 ? since_midnight + kMicrosPerDay : since_midnight);
  return out;
}

ShortText format_uuid(const base::Uuid& uuid) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  ShortText out;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push('-');
    out.push(kDigits[uuid.bytes[i] >> 4]);
    out.push(kDigits[uuid.bytes[i] & 0xF]);
  }
  return out;
}

std::optional<Date> parse_date(std::string_view text) {
  Reader reader(text);
  const auto days = read_date(reader);
  if (!days || !reader.at_end() || !std::in_range<Date::rep>(*days)) return std::nullopt;
  return Date(std::chrono::days(*days));
}

std::optional<TimeOfDay> parse_time(std::string_view text) {
  Reader reader(text);
  const auto micros = read_time(reader);
  if (!micros || !reader.at_end()) return std::nullopt;
  return TimeOfDay{std::chrono::microseconds(*micros)};
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Reader reader(text);
  const auto days = read_date(reader);
  if (!days || (!reader.skip('T') && !reader.skip(' '))) return std::nullopt;
  const auto micros = read_time(reader);
  if (!micros) return std::nullopt;
  if (!reader.skip('Z') && reader.skip('+')) {
    if (reader.number(2, 2) != 0 || (reader.skip(':') && reader.number(2, 2) != 0)) return std::nullopt;
  }
  if (!reader.at_end()) return std::nullopt;
  std::int64_t total = 0;
  // Before the epoch the day's beginning may be out of range when the moment itself is not.
  const auto [day, rest] = *days < 0 ? std::pair(*days + 1, *micros - kMicrosPerDay) : std::pair(*days, *micros);
  if (__builtin_mul_overflow(day, kMicrosPerDay, &total) || __builtin_add_overflow(total, rest, &total)) {
    return std::nullopt;
  }
  return Timestamp(std::chrono::microseconds(total));
}

std::string format_blob(BlobView blob) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(blob.size() * 2);
  for (const auto byte : blob) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::optional<Blob> parse_blob(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Blob blob;
  blob.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const int high = base::ascii::hex_value(text[at]);
    const int low = base::ascii::hex_value(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    blob.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return blob;
}

}  // namespace tidelock::sql
