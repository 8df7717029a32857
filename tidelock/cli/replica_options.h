// `tidelock replica …` on a command line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "tidelock/base/time.h"

namespace CLI {
class App;
}

namespace tidelock::cli {

struct ReplicaPublish {
  std::string master;
  std::string to;
  std::size_t keep = 3;
  std::string on;
  base::Duration wait{};
  bool json = false;
};
struct ReplicaStatus {
  std::string folder;
  std::optional<std::string> master;
  std::optional<base::Duration> max_age;
  bool blocks = false;  // Reads the whole file and compares it with the hashes of its manifest.
  bool json = false;
};
struct ReplicaQuery {
  std::string folder;
  std::string sql;
  bool json = false;
};

// The options as typed. Lives as long as the CLI::App that it was added to is used.
class ReplicaOptions {
 public:
  void add_to(CLI::App& root);

  bool is_publish(const CLI::App* command) const { return command == publish_; }
  bool is_status(const CLI::App* command) const { return command == status_; }
  bool is_query(const CLI::App* command) const { return command == query_; }
  // Errors: UsageError.
  ReplicaPublish publish() const;
  ReplicaStatus status() const;
  ReplicaQuery query() const;

 private:
  CLI::App* publish_ = nullptr;
  CLI::App* status_ = nullptr;
  CLI::App* query_ = nullptr;
  std::string master_, to_, folder_, sql_, on_, keep_ = "3", wait_ = "60s", max_age_;
  bool blocks_ = false, json_ = false;
};

}  // namespace tidelock::cli
