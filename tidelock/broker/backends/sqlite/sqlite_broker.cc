#include "tidelock/broker/backends/sqlite/sqlite_broker.h"

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/broker/backends/sqlite/consumer.h"
#include "tidelock/broker/backends/sqlite/delivery.h"
#include "tidelock/broker/backends/sqlite/producer.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::broker::sqlite {
namespace {

class SqliteBroker : public Broker {
 public:
  explicit SqliteBroker(std::shared_ptr<Topics> topics) : topics_(std::move(topics)) {}

  void create_topic(const std::string& topic, const TopicOptions& options) override { topics_->create(topic, options); }

  std::unique_ptr<Producer> producer() override { return std::make_unique<SqliteProducer>(topics_); }

  std::unique_ptr<Consumer> consumer(const std::string& group, std::vector<std::string> topics,
                                     const ConsumerOptions& options) override {
    return std::make_unique<SqliteConsumer>(topics_, group, topics, options);
  }

  std::vector<Progress> progress(const std::string& group, const std::string& name) override {
    const auto topic = topics_->find(name);
    auto connection = topics_->database().connect();
    std::vector<Progress> result;
    for (const auto row : connection.query(
             "select p.part, p.next_position, c.committed, coalesce(c.member, ''), "
             "(select min(position) from tidelock_message m where m.topic = p.topic and m.part = p.part) "
             "from tidelock_partition p left join tidelock_consumer_partition c "
             "on c.topic = p.topic and c.part = p.part and c.group_name = ? where p.topic = ? order by p.part",
             group, topic.id)) {
      Progress progress;
      progress.topic = name;
      progress.partition = row.get<std::uint32_t>(0);
      progress.end_offset = row.get<std::int64_t>(1);
      progress.committed = row.get<std::optional<std::int64_t>>(2);
      progress.member = row.get<std::string>(3);
      progress.first_offset = row.get<std::optional<std::int64_t>>(4).value_or(progress.end_offset);
      result.push_back(std::move(progress));
    }
    return result;
  }

  std::vector<Delivery> newest(const std::string& name) override {
    const auto topic = topics_->find(name);
    auto connection = topics_->database().connect();
    auto transaction = connection.begin({.read_only = true});
    std::vector<Delivery> result;
    for (std::uint32_t partition = 0; partition < topic.partitions; ++partition) {
      for (const auto row : transaction.query("select " + std::string(kDeliveryColumns) +
                                                  " from tidelock_message where topic = ? and part = ? "
                                                  "order by position desc limit 1",
                                              topic.id, partition)) {
        result.push_back(read_delivery(row, name, partition));
      }
    }
    return result;
  }

 private:
  std::shared_ptr<Topics> topics_;
};

}  // namespace

std::unique_ptr<Broker> open_sqlite_broker(base::Runtime& runtime, base::Files& files, const base::Url& url) {
  if (url.path.empty() || url.path == ":memory:") {
    throw Error(Code::invalid_argument, "a broker needs a file that processes share, as in sqlite:events.db");
  }
  auto database = sql::open(runtime, files, url);
  return std::make_unique<SqliteBroker>(
      std::make_shared<Topics>(runtime, files, std::move(database), base::Path(url.path)));
}

}  // namespace tidelock::broker::sqlite
