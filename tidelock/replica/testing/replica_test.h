// A real master and a folder for its replica, and a publisher that uses the program beside this test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/replica/folder.h"
#include "tidelock/replica/publisher.h"
#include "tidelock/replica/reader.h"
#include "tidelock/sql/backends/all.h"
#include "tidelock/sql/testing/needs.h"
#include "tidelock/sql/testing/own_database.h"

namespace tidelock::replica::testing {

// The master is DuckDB's unless a test says otherwise.
class ReplicaTest : public ::testing::Test {
 protected:
  void SetUp() override { TIDELOCK_NEEDS(sql::testing::why_not_here("duckdb")); }

  base::Path master() const { return temp_ / "master.db"; }
  base::Path folder_path() const { return temp_ / "replica"; }
  Folder folder() { return Folder(files_, folder_path()); }

  std::unique_ptr<sql::Database> open(const std::string& url) {
    return sql::open(runtime_, files_, base::Url::parse(url));
  }
  std::unique_ptr<sql::Database> open_master(const std::string& engine = "duckdb") {
    return open(engine + ":" + master().string());
  }
  // The file that the link leads to, opened in this process. As anybody else does: PlainReader.
  std::unique_ptr<sql::Database> open_plainly(const std::string& engine = "duckdb") {
    return open(engine + ":" + (folder_path() / "current.db").string() + "?mode=ro");
  }
  PublisherOptions options(std::size_t keep = 3) const {
    return {.master = master(), .folder = folder_path(), .keep = keep};
  }
  Manifest publish(sql::Database* owner = nullptr) {
    return Publisher(runtime_, files_, *locks_, options()).publish(owner);
  }

  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  base::testing::TempFolder temp_;
  std::unique_ptr<lock::Backend> locks_ = lock::open_backend(runtime_, files_, base::Url::parse("memory:"));
};

}  // namespace tidelock::replica::testing
