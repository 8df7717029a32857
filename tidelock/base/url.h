// The URLs that name every database, lock service and broker: sqlite:shop.db,
// postgres://user@host:5432/shop?sslmode=require
//
//   scheme:path?name=value&…                                sqlite:/var/shop.db, sqlite::memory:, memory:
//   scheme://user:password@host:port,host,…/path?name=value redlock://h1:6379,h2,h3  zookeeper://h1,h2/chroot
//
// A character with a meaning of its own (% # ? @ everywhere; / : , in a user, password or host; & = in a parameter) is
// written as % and two hexadecimal digits. Hosts may be IPv6 addresses in brackets. Control characters, NUL and what is
// not UTF-8 are refused, raw or encoded. Parameters are unique. There is no fragment.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/secret.h"
#include "tidelock/base/time.h"

namespace tidelock::base {

struct UrlHost {
  std::string name;  // Without brackets.
  std::optional<std::uint16_t> port;

  friend bool operator==(const UrlHost&, const UrlHost&) = default;
};

// The parts of a URL, decoded. Plain data.
struct Url {
  std::string scheme;  // In lower case.
  std::string user;
  Secret password;
  std::vector<UrlHost> hosts;  // Empty after scheme: and scheme:///.
  std::string path;            // After hosts it is empty or starts with '/'.
  std::map<std::string, std::string> params;

  // Error: invalid_argument with the character's position (from 1), what is wrong there and what would be right. Never
  // quotes more than the scheme: nothing else can be trusted to be no part of a password.
  static Url parse(std::string_view text);

  // parse() reads it back, except that the password and parameters that names_a_secret() are printed as ***.
  std::string to_string() const;

  friend bool operator==(const Url&, const Url&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Url& url) { return out << url.to_string(); }
};

// Reads the parameters of a URL by type, and refuses the ones that nobody asked for:
//   UrlParams params(url);
//   options.timeout = params.duration("timeout", 5s, 0s, 1h);
//   options.read_only = params.flag("read_only", false);
//   params.finish();
// Not thread-safe; borrows the Url. Errors: invalid_argument, which names the parameter, its value (unless it names a
// secret) and what is allowed.
class UrlParams {
 public:
  explicit UrlParams(const Url& url) : url_(url) {}
  explicit UrlParams(const Url&&) = delete;  // It borrows the URL.

  std::string text(std::string_view name, std::string_view fallback);
  Secret secret(std::string_view name);             // Empty when absent.
  bool flag(std::string_view name, bool fallback);  // true or false.
  std::int64_t integer(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max);
  Duration duration(std::string_view name, Duration fallback, Duration min, Duration max);
  // One of `allowed`.
  std::string choice(std::string_view name, std::string_view fallback, std::initializer_list<std::string_view> allowed);

  // Refuses parameters that were not asked for; names the known ones, and the nearest.
  void finish() const;

 private:
  const std::string* find(std::string_view name);
  [[noreturn]] void refuse(std::string_view name, const std::string& value, std::string_view wanted) const;

  const Url& url_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace tidelock::base
