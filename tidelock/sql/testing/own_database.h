// A database that only one test uses, on a server that scripts/services started.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/base/files.h"
#include "tidelock/base/runtime.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::sql::testing {

// The engines that are servers, by Dialect::engine, and where their tests find one.
inline const char* server_variable(const std::string& engine) {
  return engine == "postgres" ? "TIDELOCK_TEST_POSTGRES" : engine == "mariadb" ? "TIDELOCK_TEST_MARIADB" : nullptr;
}

// Why a test on the server that this variable of the environment names cannot be run here; empty: it can.
inline std::string why_no_server(const char* variable) {
  if (std::getenv(variable) != nullptr) return "";
  return std::string(variable) + " names no server: scripts/services up starts one";
}

// Why a test on this engine cannot be run here; empty: it can.
inline std::string why_not_here(const std::string& engine) {
  for (const auto& known : engines()) {
    if (known.scheme != engine) continue;
    if (!known.available) return known.note;
    const auto* const variable = server_variable(engine);
    return variable == nullptr ? "" : why_no_server(variable);
  }
  return "no engine " + engine + " is compiled in";
}

// Until a server that is being started again, since a test crashed it, is there.
template <typename Call>
auto once_there(base::Runtime& runtime, Call&& call) {
  for (const base::Deadline deadline = runtime.in(std::chrono::seconds(60));;) {
    try {
      return call();
    } catch (const Error& error) {
      if (error.disposition() == Disposition::permanent || deadline.passed(runtime.now())) throw;
    }
    runtime.sleep_for(std::chrono::milliseconds(10));
  }
}

// Whoever opens it first makes it; it is dropped at the end of the scope, whoever is still connected.
class OwnDatabase {
 public:
  // `variable`: names the server, as server_variable() does.
  OwnDatabase(base::Runtime& runtime, base::Files& files, const char* variable)
      : runtime_(runtime), url_(base::Url::parse(std::getenv(variable))) {
    admin_ = once_there(runtime, [&] { return open(runtime, files, url_); });
    url_.path = "/tidelock_" + std::to_string(runtime.random());
  }
  ~OwnDatabase() {
    try {
      once_there(runtime_, [&] { drop(); });
    } catch (const Error& error) {
      std::fprintf(stderr, "%s was left: %s\n", url_.path.c_str(), error.what());
    }
  }
  OwnDatabase(const OwnDatabase&) = delete;
  OwnDatabase& operator=(const OwnDatabase&) = delete;

  const base::Url& url() const { return url_; }
  Database& admin() { return *admin_; }  // Of the server.

 private:
  void drop() {
    const auto& dialect = admin_->dialect();
    admin_->execute("drop database if exists " + dialect.quote(url_.path.substr(1)) +
                    (dialect.engine == "postgres" ? " with (force)" : ""));
  }

  base::Runtime& runtime_;
  base::Url url_;
  std::unique_ptr<Database> admin_;
};

}  // namespace tidelock::sql::testing
