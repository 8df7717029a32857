// A process that has a state of locks in a World open, and what is said where that cannot be.
#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "tidelock/lock/backends/sql/sql_backend.h"
#include "tidelock/lock/mutex.h"
#include "tidelock/world/testing.h"

namespace tidelock::lock::testing {

using namespace std::chrono_literals;

inline const base::Url& url() {
  static const auto url = base::Url::parse("sqlite:/locks.db");
  return url;
}

// A process that has the state open.
struct User {
  explicit User(world::Process& where, const base::Url& state = url())
      : process(where),
        backend(where, where.files(), state),
        mutex(backend, where, "x", {.ttl = 10s, .margin = 1s, .owner = {}}) {}
  User(world::World& world, const std::string& name) : User(world.process(name)) {}

  base::Deadline soon() { return process.in(5s); }
  std::optional<Lease> try_acquire() { return mutex.try_acquire(soon()); }

  world::Process& process;
  SqlBackend backend;
  Mutex mutex;
};

// What opening the state says when it cannot be opened; the code with it.
inline std::optional<Error> refusal(world::Process& process, const base::Url& state = url()) {
  try {
    SqlBackend backend(process, process.files(), state);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

inline void expect_refusal(const std::optional<Error>& error, Code code, const std::string& words) {
  ASSERT_TRUE(error) << "it was opened";
  EXPECT_EQ(name(error->code()), name(code)) << error->what();
  EXPECT_NE(std::string(error->what()).find(words), std::string::npos) << error->what();
}

inline void write_file(base::Files& files, const base::Path& path, std::string_view content) {
  files.open(path, base::OpenMode::create)->write_at(0, std::as_bytes(std::span(content)));
}

}  // namespace tidelock::lock::testing
