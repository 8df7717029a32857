// A database that only one test uses, on a server that scripts/services started.
#pragma once

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

// Why a test on this engine cannot be run here; empty: it can.
inline std::string why_not_here(const std::string& engine) {
  for (const auto& known : engines()) {
    if (known.scheme != engine) continue;
    if (!known.available) return known.note;
    const auto* const variable = server_variable(engine);
    if (variable == nullptr || std::getenv(variable) != nullptr) return "";
    return std::string(variable) + " names no server: scripts/services up starts one";
  }
  return "no engine " + engine + " is compiled in";
}

// Whoever opens it first makes it; it is dropped at the end of the scope, whoever is still connected.
class OwnDatabase {
 public:
  OwnDatabase(base::Runtime& runtime, base::Files& files, const std::string& engine)
      : url_(base::Url::parse(std::getenv(server_variable(engine)))), admin_(open(runtime, files, url_)) {
    url_.path = "/tidelock_" + std::to_string(runtime.random());
  }
  ~OwnDatabase() {
    const auto statement = "drop database if exists " + admin_->dialect().quote(url_.path.substr(1));
    try {
      admin_->execute(statement + (admin_->dialect().engine == "postgres" ? " with (force)" : ""));
    } catch (const Error& error) {
      std::fprintf(stderr, "%s was left: %s\n", url_.path.c_str(), error.what());
    }
  }
  OwnDatabase(const OwnDatabase&) = delete;
  OwnDatabase& operator=(const OwnDatabase&) = delete;

  const base::Url& url() const { return url_; }

 private:
  base::Url url_;
  std::unique_ptr<Database> admin_;
};

}  // namespace tidelock::sql::testing
