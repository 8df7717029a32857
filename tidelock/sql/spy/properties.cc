#include "tidelock/sql/spy/properties.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::sql::spy {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

[[noreturn]] void refuse(int line, const std::string& what) {
  throw Error(Code::invalid_argument, "line " + std::to_string(line) + ": " + what);
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string from_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

// A line as it counts: with those it goes on in.
struct LogicalLine {
  std::string text;
  int number;
};

class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  // False at the end.
  bool next(LogicalLine& line) {
    for (;;) {
      if (at_ >= text_.size()) return false;
      line = {{}, number_ + 1};
      auto natural = take();
      if (natural.empty() || natural.front() == '#' || natural.front() == '!') continue;
      while (goes_on(natural)) {
        line.text += natural.substr(0, natural.size() - 1);
        if (at_ >= text_.size()) return true;
        natural = take();
      }
      line.text += natural;
      return true;
    }
  }

 private:
  // Without the blanks at its begin.
  std::string_view take() {
    auto end = text_.find_first_of("\r\n", at_);
    if (end == text_.npos) end = text_.size();
    auto line = text_.substr(at_, end - at_);
    at_ = end + (text_.substr(end, 2) == "\r\n" ? 2 : 1);
    ++number_;
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    return line;
  }

  // An odd number of backslashes at the end.
  static bool goes_on(std::string_view line) {
    std::size_t count = 0;
    while (count < line.size() && line[line.size() - 1 - count] == '\\') ++count;
    return count % 2 == 1;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int number_ = 0;
};

// Four hexadecimal digits behind \u.
std::uint32_t code_unit(std::string_view digits, int line) {
  std::uint32_t code = 0;
  for (const char c : digits.substr(0, 4)) {
    const auto digit = base::ascii::hex_value(c);
    if (digit < 0) refuse(line, "\\u is not followed by four hexadecimal digits");
    code = code * 16 + static_cast<std::uint32_t>(digit);
  }
  if (digits.size() < 4) refuse(line, "\\u is not followed by four hexadecimal digits");
  return code;
}

std::string unescape(std::string_view text, int line) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i >= text.size()) break;
    switch (text[i]) {
      case 't':
        out += '\t';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 'f':
        out += '\f';
        break;
      case 'u': {
        auto code = code_unit(text.substr(i + 1), line);
        i += 4;
        if (code >= 0xD800 && code < 0xDC00 && text.substr(i + 1).starts_with("\\u")) {
          const auto low = code_unit(text.substr(i + 3), line);
          if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            i += 6;
          }
        }
        if (code >= 0xD800 && code < 0xE000) refuse(line, "half of a surrogate pair: \\u of the other half is missing");
        if (code == 0) refuse(line, "\\u0000");
        append_utf8(out, code);
        break;
      }
      default:
        out += text[i];
    }
  }
  return out;
}

Property split(const LogicalLine& line) {
  const std::string_view text = line.text;
  std::size_t end = 0;
  while (end < text.size() && text[end] != '=' && text[end] != ':' && !is_blank(text[end])) {
    end += text[end] == '\\' ? 2 : 1;
  }
  end = std::min(end, text.size());
  auto value = text.substr(end);
  const auto skip_blanks = [&] {
    while (!value.empty() && is_blank(value.front())) value.remove_prefix(1);
  };
  skip_blanks();
  if (value.starts_with('=') || value.starts_with(':')) value.remove_prefix(1);
  skip_blanks();
  return {unescape(text.substr(0, end), line.number), unescape(value, line.number), line.number};
}

}  // namespace

std::vector<Property> parse_properties(std::string_view text) {
  std::string converted;
  if (base::find_invalid_utf8(text)) {
    converted = from_latin1(text);
    text = converted;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<Property> properties;
  Lines lines(text);
  for (LogicalLine line; lines.next(line);) {
    if (line.text.find('\0') != std::string::npos) refuse(line.number, "a NUL byte");
    properties.push_back(split(line));
  }
  return properties;
}

}  // namespace tidelock::sql::spy
