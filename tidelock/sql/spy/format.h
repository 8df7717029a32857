// Records as text: P6Spy's three formats, and JSON lines.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/sql/spy/date_pattern.h"
#include "tidelock/sql/spy/record.h"

namespace tidelock::sql::spy {

// single  now|ms|category|connection N|url U|sql with ?|sql with values
// multi   #now | took Nms | category | connection N| url U, then both texts, each on lines of its own
// custom  `custom` with its placeholders replaced; see placeholder_names()
// json    an object a line; docs/spy.md names the fields
enum class Format : std::uint8_t { single, multi, custom, json };

// How the text of a statement is laid out; single and json are one line whatever is chosen.
enum class Layout : std::uint8_t { written, line, clauses };

struct FormatOptions {
  Format format = Format::json;
  std::string custom = "%(currentTime)|%(executionTime)|%(category)|connection%(connectionId)|%(sqlSingleLine)";
  std::string date_format{};         // Of currentTime, as DatePattern; empty: milliseconds since 1970.
  std::string date_literals{};       // Of dates in effective SQL; empty: the engine's.
  std::string timestamp_literals{};  // Of timestamps there.
  std::string zone = "UTC";          // Of all three; empty: this machine's.
  bool numeric_booleans = false;     // 1 and 0 in effective SQL.
  Layout layout = Layout::written;
};

// P6Spy's %(…) names, and ours behind them.
std::vector<std::string> placeholder_names();

// Used by one task at a time.
class Formatter {
 public:
  // Errors: invalid_argument for a placeholder (names the nearest) or a date format that is unknown.
  explicit Formatter(FormatOptions options);
  Formatter(const Formatter&) = delete;
  Formatter& operator=(const Formatter&) = delete;
  // The newline included.
  void append(std::string& out, const Record& record);

 private:
  struct Piece {
    std::string text;         // Before the placeholder.
    std::size_t placeholder;  // In the list of names; past it: none.
  };
  void append_single(std::string& out, const Record& record);
  void append_multi(std::string& out, const Record& record);
  void append_custom(std::string& out, const Record& record);
  void append_placeholder(std::string& out, std::size_t placeholder, const Record& record);
  void append_now(std::string& out, base::WallTime time) const;
  std::string_view effective(const Record& record);  // Valid until the next call.
  std::string laid_out(std::string_view sql, const Record& record) const;

  FormatOptions options_;
  std::vector<Piece> custom_;
  std::optional<DatePattern> date_format_;
  std::optional<DatePattern> date_literals_;
  std::optional<DatePattern> timestamp_literals_;
  LiteralForms forms_;
  std::string effective_;
};

// One JSON object and a newline.
void append_json(std::string& out, const Record& record);

}  // namespace tidelock::sql::spy
