#include "tidelock/base/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "tidelock/base/ascii.h"
#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::base {
namespace {

using ascii::hex_value;
using ascii::is_digit;
using ascii::is_letter;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// Takes a URL apart from left to right. Every part is a piece of `text_`, so that its position is known.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Url parse() {
    parse_scheme();
    auto rest = text_.substr(url_.scheme.size() + 1);
    refuse_any_of("#", rest, "a '#' is written as %23");
    const auto [before, query] = split(rest, '?');
    if (before.starts_with("//")) {
      parse_after_slashes(before.substr(2), query);
    } else {
      refuse_any_of("@", rest,
                    "an '@' without '//'; a user and host come after '//', in a path or parameter write @ as %40");
      url_.path = decode(before);
    }
    if (query) parse_params(*query);
    return std::move(url_);
  }

 private:
  struct Split {
    std::string_view first;
    std::optional<std::string_view> second;  // Empty when there is no separator.
  };

  static Split split(std::string_view part, char separator) {
    const auto at = part.find(separator);
    if (at == std::string_view::npos) return {part, std::nullopt};
    return {part.substr(0, at), part.substr(at + 1)};
  }

  // `at` points into text_, or one past its end.
  [[noreturn]] void refuse(const char* at, std::string_view why) const {
    throw Error(Code::invalid_argument,
                fmt::format("malformed {}URL at character {}: {}", url_.scheme.empty() ? "" : url_.scheme + " ",
                            at - text_.data() + 1, why));
  }

  void refuse_any_of(std::string_view characters, std::string_view part, std::string_view why) const {
    const auto at = part.find_first_of(characters);
    if (at != std::string_view::npos) refuse(part.data() + at, why);
  }

  void parse_scheme() {
    constexpr std::string_view kExample =
        "a URL starts with its scheme, for example sqlite:shop.db or redis://host:6379";
    std::size_t end = 0;
    while (end < text_.size() && (is_letter(text_[end]) || (end > 0 && (is_digit(text_[end]) || text_[end] == '+' ||
                                                                        text_[end] == '-' || text_[end] == '.')))) {
      ++end;
    }
    if (end == 0 || end == text_.size() || text_[end] != ':') refuse(text_.data(), kExample);
    url_.scheme = ascii::lower(text_.substr(0, end));
  }

  void parse_after_slashes(std::string_view rest, std::optional<std::string_view> query) {
    const auto slash = std::min(rest.find('/'), rest.size());
    const auto authority = rest.substr(0, slash);
    // Somebody who forgot to encode a '/' or '?' in a password has an '@' behind it: do not take the password for a
    // path or parameter, which may be printed.
    constexpr std::string_view kLateAt =
        "an '@' after the host; in a user or password write / as %2F, ? as %3F, @ as %40, elsewhere write @ as %40";
    refuse_any_of("@", rest.substr(slash), kLateAt);
    if (query) refuse_any_of("@", *query, kLateAt);

    const auto [before, after] = split(authority, '@');
    if (after) {
      refuse_any_of("@", *after, "a second '@'; in a user or password write @ as %40");
      const auto [user, password] = split(before, ':');
      url_.user = decode(user);
      if (password) url_.password = Secret(decode(*password));
    }
    const auto hosts = after.value_or(authority);
    if (!hosts.empty()) parse_hosts(hosts);
    url_.path = decode(rest.substr(slash));
  }

  void parse_hosts(std::string_view rest) {
    for (;;) {
      const auto [one, more] = split(rest, ',');
      url_.hosts.push_back(parse_host(one));
      if (!more) return;
      rest = *more;
    }
  }

  UrlHost parse_host(std::string_view text) const {
    UrlHost host;
    std::string_view after;
    if (text.starts_with('[')) {
      const auto close = text.find(']');
      if (close == std::string_view::npos) refuse(text.data(), "the ']' of an IPv6 address is missing");
      const auto address = text.substr(1, close - 1);
      const auto in_address = [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; };
      if (!std::all_of(address.begin(), address.end(), in_address) ||
          std::count(address.begin(), address.end(), ':') < 2) {
        refuse(address.data(), "an IPv6 address should stand in the brackets, for example [::1]:5432");
      }
      host.name = address;
      after = text.substr(close + 1);
    } else {
      const auto end = std::min(text.find(':'), text.size());
      const auto raw = text.substr(0, end);
      if (raw.empty()) refuse(text.data(), "a host name is missing");
      refuse_any_of("[] ", raw, "a character that no host name has");
      host.name = decode(raw);
      if (host.name.find(':') != std::string::npos) refuse(raw.data(), "an IPv6 address stands in brackets");
      after = text.substr(end);
    }
    if (after.empty()) return host;
    const auto digits = after.substr(1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    const bool whole = error == std::errc() && end == digits.data() + digits.size() && port > 0;
    if (after.front() != ':' || !whole || digits.front() == '0') {
      refuse(after.data(), "after a host comes nothing, or a ':' and a port from 1 to 65535 (IPv6 stands in brackets)");
    }
    host.port = port;
    return host;
  }

  void parse_params(std::string_view query) {
    for (;;) {
      const auto [one, more] = split(query, '&');
      const auto [name_text, value_text] = split(one, '=');
      if (name_text.empty()) refuse(one.data(), "a parameter name is missing; write ?name=value&name=value");
      if (!value_text) refuse(one.data(), "the parameter has no value; write name=value");
      refuse_any_of("=", *value_text, "a second '='; in a value write = as %3D");
      auto name = decode(name_text);
      if (url_.params.contains(name)) refuse(one.data(), "the parameter is given a second time");
      url_.params.emplace(std::move(name), decode(*value_text));
      if (!more) return;
      query = *more;
    }
  }

  // Undoes percent-encoding.
  std::string decode(std::string_view part) const {
    std::string out;
    out.reserve(part.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      char c = part[i];
      const char* at = part.data() + i;
      if (c == '%') {
        const int high = i + 2 < part.size() ? hex_value(part[i + 1]) : -1;
        const int low = i + 2 < part.size() ? hex_value(part[i + 2]) : -1;
        if (high < 0 || low < 0) refuse(at, "after '%' come two hexadecimal digits; a '%' itself is written as %25");
        c = static_cast<char>(high << 4 | low);
        i += 2;
      }
      if (is_control(c)) refuse(at, "a control character, which no URL may hold");
      out += c;
    }
    if (find_invalid_utf8(out)) refuse(part.data(), "what starts here is not UTF-8");
    return out;
  }

  std::string_view text_;
  Url url_;
};

// Percent-encodes everything but letters, digits, -._~ , UTF-8 beyond ASCII and what is in `plain`.
std::string encoded(std::string_view text, std::string_view plain) {
  std::string out;
  for (const char c : text) {
    const bool keep = is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80 ||
                      std::string_view("-._~").find(c) != std::string_view::npos ||
                      plain.find(c) != std::string_view::npos;
    if (keep) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

Url Url::parse(std::string_view text) { return Parser(text).parse(); }

std::string Url::to_string() const {
  auto out = scheme + ':';
  // A path of two slashes would otherwise be read as a host.
  if (!user.empty() || !password.empty() || !hosts.empty() || path.starts_with("//")) out += "//";
  if (!user.empty() || !password.empty()) {
    out += encoded(user, "");
    if (!password.empty()) fmt::format_to(std::back_inserter(out), ":{}", kMasked);
    out += '@';
  }
  for (const auto& host : hosts) {
    if (&host != &hosts.front()) out += ',';
    const bool address = host.name.find(':') != std::string::npos;
    out += address ? '[' + host.name + ']' : encoded(host.name, "");
    if (host.port) out += fmt::format(":{}", *host.port);
  }
  out += encoded(path, "/:!$&'()*+,;=");
  char separator = '?';
  for (const auto& [name, value] : params) {
    out += std::exchange(separator, '&');
    out += encoded(name, "/:,") + '=' + (names_a_secret(name) ? std::string(kMasked) : encoded(value, "/:,*"));
  }
  return out;
}

const std::string* UrlParams::find(std::string_view name) {
  known_.emplace(name);
  const auto found = url_.params.find(std::string(name));
  return found == url_.params.end() ? nullptr : &found->second;
}

void UrlParams::refuse(std::string_view name, const std::string& value, std::string_view wanted) const {
  throw Error(Code::invalid_argument,
              fmt::format("parameter {} of {} is {}; it should be {}", name, url_.to_string(),
                          names_a_secret(name) ? std::string(kMasked) : base::quoted(value), wanted));
}

std::string UrlParams::text(std::string_view name, std::string_view fallback) {
  const auto* value = find(name);
  return value ? *value : std::string(fallback);
}

Secret UrlParams::secret(std::string_view name) {
  const auto* value = find(name);
  return value ? Secret(*value) : Secret();
}

bool UrlParams::flag(std::string_view name, bool fallback) {
  const auto* value = find(name);
  if (!value) return fallback;
  if (*value != "true" && *value != "false") refuse(name, *value, "true or false");
  return *value == "true";
}

std::int64_t UrlParams::integer(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) {
  const auto* value = find(name);
  if (!value) return fallback;
  std::int64_t number = 0;
  const auto* const last = value->data() + value->size();
  const auto [end, error] = std::from_chars(value->data(), last, number);
  if (error != std::errc() || end != last || number < min || number > max) {
    refuse(name, *value, fmt::format("a whole number from {} to {}", min, max));
  }
  return number;
}

Duration UrlParams::duration(std::string_view name, Duration fallback, Duration min, Duration max) {
  const auto* value = find(name);
  if (!value) return fallback;
  std::optional<Duration> parsed;
  try {
    parsed = parse_duration(*value);
  } catch (const Error&) {
    // The refusal below says it with the parameter's name.
  }
  if (!parsed || *parsed < min || *parsed > max) {
    refuse(name, *value,
           fmt::format("a duration from {} to {}, written like 250ms, 15s or 1h30m", format_duration(min),
                       format_duration(max)));
  }
  return *parsed;
}

std::string UrlParams::choice(std::string_view name, std::string_view fallback,
                              std::initializer_list<std::string_view> allowed) {
  const auto* value = find(name);
  if (!value) return std::string(fallback);
  if (std::find(allowed.begin(), allowed.end(), *value) == allowed.end()) {
    refuse(name, *value, fmt::format("one of {}", listed(std::vector<std::string>(allowed.begin(), allowed.end()))));
  }
  return *value;
}

void UrlParams::finish() const {
  static const std::vector<std::string> kPasswords{"password", "passwd"};
  const std::vector<std::string> known(known_.begin(), known_.end());
  for (const auto& [name, value] : url_.params) {
    if (known_.contains(name)) continue;
    const auto nearest = nearest_name(name, known);
    auto shown = url_;
    for (auto& [other, value] : shown.params) {  // Of a mistyped password too.
      if (!known_.contains(other) && nearest_name(other, kPasswords)) value = kMasked;
    }
    throw Error(Code::invalid_argument,
                fmt::format("unknown parameter {} in {}; known are: {}{}", base::quoted(name), shown.to_string(),
                            listed(known), nearest ? fmt::format(". Did you mean {}?", *nearest) : ""));
  }
}

}  // namespace tidelock::base
