#include "tidelock/broker/backends/sqlite/topics.h"

#include <chrono>

#include "tidelock/base/error.h"
#include "tidelock/base/real_path.h"
#include "tidelock/base/text.h"
#include "tidelock/broker/backends/sqlite/schema.h"

namespace tidelock::broker::sqlite {
namespace {

constexpr std::uint32_t kMaxPartitions = 1024;
constexpr std::size_t kMaxNameBytes = 249;  // As Kafka.

void check_name(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes || base::find_invalid_utf8(name) ||
      name.find('\0') != std::string::npos) {
    throw Error(Code::invalid_argument, "topic " + base::quoted(name) + " must have 1 to " +
                                            std::to_string(kMaxNameBytes) + " bytes of UTF-8 without NUL");
  }
}

}  // namespace

Topics::Topics(base::Runtime& runtime, base::Files& files, std::unique_ptr<sql::Database> database, base::Path path)
    : runtime_(runtime), files_(files), database_(std::move(database)), path_(std::move(path)) {
  prepare_schema(*database_);
}

void Topics::create(const std::string& name, const TopicOptions& options) {
  check_name(name);
  if (options.partitions < 1 || options.partitions > kMaxPartitions) {
    throw Error(Code::invalid_argument, "topic " + base::quoted(name) + ": partitions must be 1 to " +
                                            std::to_string(kMaxPartitions) + ", not " +
                                            std::to_string(options.partitions));
  }
  if (options.retention < std::chrono::seconds(1)) {
    throw Error(Code::invalid_argument, "topic " + base::quoted(name) + ": retention must be at least 1s");
  }
  const auto retention_us = std::chrono::ceil<std::chrono::microseconds>(options.retention).count();
  sql::transact(*database_, [&](sql::Transaction& tx) {
    if (const auto partitions = tx.maybe<std::uint32_t>("select partitions from tidelock_topic where name = ?", name)) {
      if (*partitions != options.partitions) {
        throw Error(Code::already_exists, "topic " + base::quoted(name) + " has " + std::to_string(*partitions) +
                                              " partitions, not " + std::to_string(options.partitions) +
                                              ": ask for as many, or use another name");
      }
      tx.execute("update tidelock_topic set retention_us = ? where name = ?", retention_us, name);
      return;
    }
    tx.execute("insert into tidelock_topic (name, partitions, retention_us) values (?, ?, ?)", name, options.partitions,
               retention_us);
    const auto id = tx.one<std::int64_t>("select id from tidelock_topic where name = ?", name);
    for (std::uint32_t part = 0; part < options.partitions; ++part) {
      tx.execute("insert into tidelock_partition (topic, part, next_position) values (?, ?, 0)", id, part);
    }
  });
}

Topic Topics::find(const std::string& name) const {
  auto connection = database_->connect();
  auto rows = connection.query("select id, partitions from tidelock_topic where name = ?", name);
  if (!rows.next()) {
    throw Error(Code::not_found, "topic " + base::quoted(name) + " does not exist: make it with create_topic()");
  }
  const auto row = rows.row();
  return Topic{row.get<std::int64_t>(0), row.get<std::uint32_t>(1)};
}

std::unique_ptr<base::Watch> Topics::watch() const {
  try {
    const auto file = base::real_path(files_, path_);
    const auto log = base::Path(file) += "-wal";  // Every commit writes to it, and it stays while this has it open.
    return files_.watch(files_.info(log) ? log : base::folder_of(file));
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace tidelock::broker::sqlite
