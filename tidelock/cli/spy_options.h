// `tidelock spy …` on a command line.
#pragma once

#include <cstddef>
#include <string>

namespace CLI {
class App;
}

namespace tidelock::cli {

struct SpyReport {
  std::string file;
  std::size_t top = 10;
  bool json = false;
};

// The options as typed. Lives as long as the CLI::App that it was added to is used.
class SpyOptions {
 public:
  void add_to(CLI::App& root);

  bool is_report(const CLI::App* command) const { return command == report_; }
  SpyReport report() const;  // Error: UsageError.

 private:
  CLI::App* report_ = nullptr;
  std::string file_, top_ = "10";
  bool json_ = false;
};

}  // namespace tidelock::cli
