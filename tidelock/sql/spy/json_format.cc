// Records as JSON lines. Written by hand: a document model costs several times what the statement took.
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <variant>

#include "tidelock/base/text.h"
#include "tidelock/sql/spy/decimal.h"
#include "tidelock/sql/spy/format.h"
#include "tidelock/sql/text_form.h"

namespace tidelock::sql::spy {
namespace {

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

// A JSON string. What is not UTF-8, as an engine's message may be, becomes U+FFFD.
void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (;;) {
    const auto invalid = base::find_invalid_utf8(text);
    const auto valid = text.substr(0, invalid.value_or(text.size()));
    std::size_t copied = 0;
    for (std::size_t i = 0; i < valid.size(); ++i) {
      const char c = valid[i];
      if (static_cast<unsigned char>(c) >= ' ' && c != '"' && c != '\\') continue;
      out.append(valid, copied, i - copied);
      append_escaped(out, c);
      copied = i + 1;
    }
    out.append(valid, copied);
    if (!invalid) break;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(*invalid + 1);
  }
  out += '"';
}

void append_text(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  out += ",\"";
  out += name;
  out += "\":";
  append_string(out, text);
}

void append_field(std::string& out, std::string_view name, std::integral auto number) {
  out += ",\"";
  out += name;
  out += "\":";
  append_number(out, number);
}

// Numbers, booleans and null as JSON has them; the rest as text.
struct JsonValue {
  std::string& out;
  void operator()(Null) const { out += "null"; }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(std::int64_t value) const { append_number(out, value); }
  void operator()(double value) const {
    if (std::isfinite(value)) {
      fmt::format_to(std::back_inserter(out), "{}", value);
    } else {
      append_string(out, fmt::format("{}", value));
    }
  }
  void operator()(const Decimal& value) const { append_string(out, value.text()); }
  void operator()(const std::string& value) const { append_string(out, value); }
  void operator()(const Json& value) const { append_string(out, value.text); }
  void operator()(const auto& value) const { append_string(out, to_text(value)); }
};

}  // namespace

void append_json(std::string& out, const Record& record) {
  out += R"({"time":")";
  out += format_timestamp(record.time, 'T').view();
  out += R"(Z","micros":)";
  append_number(out, record.elapsed.count());
  out += R"(,"category":")";
  out += name(record.category);
  out += '"';
  append_text(out, "database", record.statement->place().url);
  if (record.connection != 0) append_field(out, "connection", record.connection);
  if (record.transaction != 0) append_field(out, "transaction", record.transaction);
  append_text(out, "sql", record.statement->sql());
  if (!record.values.empty()) {
    out += R"(,"values":[)";
    for (std::size_t i = 0; i < record.values.size(); ++i) {
      if (i > 0) out += ',';
      std::visit(JsonValue{out}, record.values[i]);
    }
    out += ']';
  }
  append_field(out, "rows", record.rows);
  append_text(out, "error", record.error);
  append_text(out, "job", record.work.job);
  append_text(out, "run", record.work.run);
  append_text(out, "step", record.work.step);
  if (record.work.token) append_field(out, "token", *record.work.token);
  out += "}\n";
}

}  // namespace tidelock::sql::spy
