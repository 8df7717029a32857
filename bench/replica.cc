// What a replica costs: a full publication against the same file copied, synced and renamed by itself; and how long a
// new version takes to a Reader's first row. `--mb N`: the size of the master (default 1000).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure.h"
#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/lock/backends/all.h"
#include "tidelock/replica/publisher.h"
#include "tidelock/replica/reader.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::replica {
namespace {

namespace fs = std::filesystem;

double ms(base::Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

// cp, fsync, rename, fsync of the folder: the least that a careful script does.
void copy_by_hand(const fs::path& from, const fs::path& folder) {
  const auto part = folder / "copy.part";
  if (std::system(("cp '" + from.string() + "' '" + part.string() + "'").c_str()) != 0) std::abort();
  const int file = ::open(part.c_str(), O_RDONLY);
  ::fsync(file);
  ::close(file);
  fs::rename(part, folder / "copy.db");
  const int directory = ::open(folder.c_str(), O_RDONLY);
  ::fsync(directory);
  ::close(directory);
}

class Bench {
 public:
  explicit Bench(std::uint64_t megabytes) : megabytes_(megabytes) {
    auto name = (fs::current_path() / "bench-replica-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
  }
  ~Bench() { fs::remove_all(folder_); }

  void run(int rounds) {
    const auto master = folder_ / "master.db";
    const auto owner = sql::open(runtime_, files_, base::Url::parse("duckdb:" + master.string()), {});
    owner->execute("create table t as select i, hash(i) as a, hash(i + 1) as b from range(?) r(i)",
                   static_cast<std::int64_t>(megabytes_ * 48'000));
    owner->execute("create table counter as select 0 as n");
    const auto locks = lock::open_backend(runtime_, files_, base::Url::parse("memory:"));
    Publisher publisher(runtime_, files_, *locks, {.master = master, .folder = folder_ / "replica", .keep = 1});
    publisher.publish(owner.get());
    Reader reader(runtime_, files_, folder_ / "replica", {.follow = false});
    std::printf("master: %.0f MB\n", static_cast<double>(fs::file_size(master)) / 1e6);
    for (int round = 1; round <= rounds; ++round) {
      one_round(round, *owner, publisher, reader, master);
    }
    std::printf(
        "median of %d: cp + fsync + rename %.0f ms, publish %.0f ms (ratio of each pair %.2f), first row %.1f ms\n",
        rounds, bench::median(by_hand_), bench::median(published_), bench::median(ratios_), bench::median(first_row_));
    std::printf("longest transaction meanwhile, per publication: median %.1f ms, worst %.1f ms\n", bench::median(held_),
                *std::max_element(held_.begin(), held_.end()));
  }

 private:
  void one_round(int round, sql::Database& owner, Publisher& publisher, Reader& reader, const fs::path& master) {
    auto start = runtime_.now();
    copy_by_hand(master, folder_);
    by_hand_.push_back(ms(runtime_.now() - start));
    owner.execute("update counter set n = ?", round);
    start = runtime_.now();
    {
      auto writer = runtime_.spawn("writer", [&](const std::stop_token& stop) { write(owner, stop); });
      publisher.publish(&owner);
      published_.push_back(ms(runtime_.now() - start));
    }
    ratios_.push_back(published_.back() / by_hand_.back());
    held_.push_back(longest_);
    start = runtime_.now();
    if (reader.connect().one<std::int64_t>("select n from counter") != round) std::abort();
    first_row_.push_back(ms(runtime_.now() - start));
  }

  // A transaction now and then: how long the longest of them took.
  void write(sql::Database& owner, const std::stop_token& stop) {
    longest_ = 0;
    while (!stop.stop_requested()) {
      const auto start = runtime_.now();
      owner.execute("insert into t values (-1, 0, 0)");
      longest_ = std::max(longest_, ms(runtime_.now() - start));
      runtime_.sleep_for(std::chrono::milliseconds(5), stop);
    }
  }

  const std::uint64_t megabytes_;
  fs::path folder_;
  base::RealRuntime runtime_;
  base::RealFiles files_{runtime_};
  double longest_ = 0;
  std::vector<double> by_hand_, published_, ratios_, first_row_, held_;
};

}  // namespace
}  // namespace tidelock::replica

int main(int argc, char** argv) {
  std::uint64_t megabytes = 1000;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == "--mb") megabytes = std::strtoull(argv[i + 1], nullptr, 10);
  }
  tidelock::replica::Bench(megabytes).run(5);
  return 0;
}
