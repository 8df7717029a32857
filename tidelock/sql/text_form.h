// Dates and times as ISO 8601 text, UUIDs, and bytes as hexadecimal digits, for engines that keep them as text and for
// people.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidelock/sql/value.h"

namespace tidelock::sql {

// A day of the proleptic Gregorian calendar, for every day that a Date can hold.
struct CivilDay {
  std::int64_t year;  // 0 is the year before 1.
  unsigned month;     // From 1.
  unsigned day;       // From 1.
};
CivilDay civil_day(Date date);

// Text of at most 40 bytes, without allocation.
class ShortText {
 public:
  std::string_view view() const { return {text_.data(), size_}; }
  void push(char c) { text_[size_++] = c; }
  void push(std::string_view text) {
    for (const char c : text) push(c);
  }
  void push_number(std::uint64_t number, unsigned digits);  // At least so many digits.

 private:
  std::array<char, 40> text_;
  std::size_t size_ = 0;
};

ShortText format_date(Date date);                                 // 2024-02-29
ShortText format_time(TimeOfDay time);                            // 12:00:00.000001, always six decimals
ShortText format_timestamp(Timestamp timestamp, char separator);  // 2024-02-29T12:00:00.000001 with 'T'; no zone
ShortText format_uuid(const base::Uuid& uuid);                    // As Uuid::to_string().
std::string format_blob(BlobView blob);                           // 00ff

// Empty unless all of the text is one, within the range of the type. Years have four digits or more, and '-' before
// year 0; seconds and their fraction (1 to 6 digits) may be left out; the separator is 'T' or ' '; the zone may be left
// out or be "Z", "+00" or "+00:00".
std::optional<Date> parse_date(std::string_view text);
std::optional<TimeOfDay> parse_time(std::string_view text);
std::optional<Timestamp> parse_timestamp(std::string_view text);
// Empty unless all of the text is pairs of hexadecimal digits, in either case.
std::optional<Blob> parse_blob(std::string_view text);

}  // namespace tidelock::sql
