// What a snippet of the documentation has at hand; CONTRIBUTING.md describes the marks.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/sql/testing/own_database.h"
#include "tidelock/toolkit/toolkit.h"
#include "tidelock/world/testing.h"

namespace tidelock::snippets {

// A new folder that is the current one while this lives. Each test is a process of its own.
class NewFolder {
 public:
  NewFolder() : before_(std::filesystem::current_path()) {
    std::string name = (std::filesystem::temp_directory_path() / "tidelock-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder could be made");
    path_ = name;
    std::filesystem::current_path(path_);
  }
  ~NewFolder() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(path_);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

 private:
  std::filesystem::path before_;
  std::filesystem::path path_;
};

class Snippet : public ::testing::Test {
 private:
  NewFolder folder_;
  base::RealRuntime real_runtime_;
  base::RealFiles real_files_{real_runtime_};
  Toolkit real_toolkit_{real_runtime_, real_files_};

 protected:
  base::Runtime& runtime = real_runtime_;
  base::Files& files = real_files_;
  Toolkit& toolkit = real_toolkit_;
};

}  // namespace tidelock::snippets

using namespace tidelock;              // NOLINT(google-build-using-namespace): a snippet starts with these.
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

// The rest of the body is not run where the engine is not compiled in.
#define NEEDS_ENGINE(engine) \
  if (const auto why = ::tidelock::sql::testing::why_not_here(engine); !why.empty()) GTEST_SKIP() << why

// The body of a test, on the real Runtime.
#define SNIPPET(suite, name)                   \
  using suite = ::tidelock::snippets::Snippet; \
  TEST_F(suite, name)

// The body of a test, as the main task of a World.
#define WORLD_SNIPPET(suite, name)                                                                           \
  static void suite##_##name##_InWorld(::tidelock::world::World& world, ::tidelock::base::Runtime& runtime,  \
                                       ::tidelock::base::Files& files, ::tidelock::Toolkit& toolkit);        \
  SNIPPET(suite, name) {                                                                                     \
    ::tidelock::world::run_world_test([](::tidelock::world::World& in) {                                     \
      ::tidelock::Toolkit made(in.runtime(), in.files());                                                    \
      suite##_##name##_InWorld(in, in.runtime(), in.files(), made);                                          \
    });                                                                                                      \
  }                                                                                                          \
  static void suite##_##name##_InWorld(                                                                      \
      [[maybe_unused]] ::tidelock::world::World& world, [[maybe_unused]] ::tidelock::base::Runtime& runtime, \
      [[maybe_unused]] ::tidelock::base::Files& files, [[maybe_unused]] ::tidelock::Toolkit& toolkit)
