#include "tidelock/sql/spy/literals.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <string_view>
#include <variant>

#include "tidelock/sql/text_form.h"

namespace tidelock::sql::spy {
namespace {

// Appends one kind of value after the other; the overloads know their kind.
class Literal {
 public:
  Literal(std::string& out, std::string_view engine, const Lexis& lexis, const LiteralForms& forms)
      : out_(out), engine_(engine), lexis_(lexis), forms_(forms) {}

  void operator()(Null) { out_ += "NULL"; }
  void operator()(bool value) {
    if (forms_.numeric_booleans) {
      out_ += value ? '1' : '0';
    } else {
      out_ += value ? "true" : "false";
    }
  }
  void operator()(std::int64_t value) { fmt::format_to(std::back_inserter(out_), "{}", value); }
  void operator()(double value) {
    if (std::isfinite(value)) {
      fmt::format_to(std::back_inserter(out_), "{}", value);
    } else if (engine_ == "sqlite") {
      out_ += std::isnan(value) ? "NULL" : value > 0 ? "9e999" : "-9e999";
    } else if (engine_ == "mariadb") {
      out_ += "NULL";
    } else {
      out_ += std::isnan(value) ? "'NaN'" : value > 0 ? "'Infinity'" : "'-Infinity'";
      out_ += is_postgres() ? "::float8" : "::double";
    }
  }
  void operator()(const Decimal& value) {
    if (engine_ == "sqlite") return quoted(value.text());
    out_ += value.text();
  }
  void operator()(const std::string& value) { quoted(value); }
  void operator()(const Blob& value) {
    if (engine_ == "duckdb") {
      out_ += '\'';
      for (const auto byte : value) {
        out_ += "\\x";
        hex(byte);
      }
      out_ += "'::blob";
      return;
    }
    out_ += is_postgres() ? "'\\x" : "x'";
    for (const auto byte : value) hex(byte);
    out_ += is_postgres() ? "'::bytea" : "'";
  }
  void operator()(Date value) {
    if (forms_.date != nullptr) return patterned(*forms_.date, Timestamp(value));
    typed("date ", format_date(value).view());
  }
  void operator()(TimeOfDay value) { typed("time ", format_time(value).view()); }
  void operator()(Timestamp value) {
    if (forms_.timestamp != nullptr) return patterned(*forms_.timestamp, value);
    typed("timestamp ", format_timestamp(value, ' ').view());
  }
  void operator()(const base::Uuid& value) {
    quoted(format_uuid(value).view());
    if (engine_ == "duckdb" || is_postgres()) out_ += "::uuid";
  }
  void operator()(const Json& value) { quoted(value.text); }

 private:
  bool is_postgres() const { return engine_ == "postgres"; }

  void quoted(std::string_view text) {
    out_ += '\'';
    for (const char c : text) {
      if (c == '\'' || (c == '\\' && lexis_.backslash_escapes)) out_ += c;
      out_ += c;
    }
    out_ += '\'';
  }
  // SQLite has no types for them, and keeps them as text.
  void typed(std::string_view type, std::string_view text) {
    if (engine_ != "sqlite") out_ += type;
    quoted(text);
  }
  void patterned(const DatePattern& pattern, base::WallTime moment) {
    std::string text;
    pattern.append(text, moment);
    quoted(text);
  }
  void hex(std::byte byte) {
    out_ += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4];
    out_ += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
  }

  std::string& out_;
  std::string_view engine_;
  const Lexis& lexis_;
  const LiteralForms& forms_;
};

}  // namespace

void append_literal(std::string& out, const Value& value, std::string_view engine, const Lexis& lexis,
                    const LiteralForms& forms) {
  std::visit(Literal(out, engine, lexis, forms), value);
}

}  // namespace tidelock::sql::spy
