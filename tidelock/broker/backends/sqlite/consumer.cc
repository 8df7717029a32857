#include "tidelock/broker/backends/sqlite/consumer.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/uuid.h"
#include "tidelock/broker/backends/sqlite/delivery.h"

namespace tidelock::broker::sqlite {
namespace {

constexpr auto kLook = std::chrono::seconds(1);             // At the latest, although nothing was seen to change.
constexpr auto kBlindLook = std::chrono::milliseconds(50);  // The same, where nothing can be seen.
constexpr auto kMinSessionTimeout = std::chrono::seconds(1);

std::int64_t nanoseconds(base::Instant moment) { return moment.time_since_epoch().count(); }

}  // namespace

SqliteConsumer::SqliteConsumer(std::shared_ptr<Topics> topics, std::string group, const std::vector<std::string>& names,
                               const ConsumerOptions& options)
    : topics_(std::move(topics)),
      group_(std::move(group)),
      options_(options),
      member_(base::uuid_v7(topics_->runtime()).to_string()) {
  if (group_.empty() || base::find_invalid_utf8(group_) || group_.find('\0') != std::string::npos) {
    throw Error(Code::invalid_argument, "consumer group " + base::quoted(group_) + " must be UTF-8 and not empty");
  }
  if (names.empty()) throw Error(Code::invalid_argument, "a consumer needs at least one topic");
  if (options_.session_timeout < kMinSessionTimeout) {
    throw Error(Code::invalid_argument, "session_timeout of a consumer must be at least 1s");
  }
  const std::set<std::string> different(names.begin(), names.end());
  for (const auto& name : different) subscriptions_.push_back({name, topics_->find(name)});
  for (const auto& subscription : subscriptions_) {
    for (std::uint32_t partition = 0; partition < subscription.topic.partitions; ++partition) {
      slots_.push_back({.subscription = &subscription, .partition = partition});
    }
  }
  watch_ = topics_->watch();
}

SqliteConsumer::~SqliteConsumer() { leave(); }

void SqliteConsumer::leave() noexcept {
  try {
    sql::transact(topics_->database(), [&](sql::Transaction& tx) {
      tx.execute("delete from tidelock_consumer_member where group_name = ? and member = ?", group_, member_);
      tx.execute("update tidelock_consumer_partition set member = null where group_name = ? and member = ?", group_,
                 member_);
      bump_generation(tx);
    });
  } catch (...) {  // The rows expire by themselves: the others wait for session_timeout instead.
  }
}

void SqliteConsumer::bump_generation(sql::Transaction& tx) const {
  tx.execute(
      "insert into tidelock_consumer_group (name, generation) values (?, 1) "
      "on conflict (name) do update set generation = generation + 1",
      group_);
}

// In the order they joined.
std::vector<std::string> SqliteConsumer::live_members(sql::Transaction& tx, std::int64_t topic) const {
  std::vector<std::string> members;
  for (const auto row : tx.query(
           "select member from tidelock_consumer_member where group_name = ? and topic = ? order by joined, member",
           group_, topic)) {
    members.push_back(row.get<std::string>(0));
  }
  return members;
}

std::int64_t SqliteConsumer::start_position(sql::Transaction& tx, const Slot& slot) const {
  const auto& topic = slot.subscription->topic;
  const auto end = tx.one<std::int64_t>("select next_position from tidelock_partition where topic = ? and part = ?",
                                        topic.id, slot.partition);
  if (options_.start == ConsumerOptions::Start::newest) return end;
  return tx
      .one<std::optional<std::int64_t>>("select min(position) from tidelock_message where topic = ? and part = ?",
                                        topic.id, slot.partition)
      .value_or(end);
}

// True when this member is new, or was taken for dead.
bool SqliteConsumer::stay_alive(sql::Transaction& tx, base::Instant now) const {
  const auto& identity = topics_->runtime().identity();
  const auto expires = nanoseconds(base::later(now, options_.session_timeout));
  std::int64_t joined = 0;
  for (const auto& subscription : subscriptions_) {
    joined += tx.execute(
        "insert into tidelock_consumer_member (group_name, member, topic, joined, owner, host, pid, boot_id, "
        "expires_ns) values (?, ?, ?, (select coalesce(max(joined), 0) + 1 from tidelock_consumer_member "
        "where group_name = ?), ?, ?, ?, ?, ?) on conflict do nothing",
        group_, member_, subscription.topic.id, group_, identity.owner, identity.host, identity.pid, identity.boot_id,
        expires);
  }
  tx.execute("update tidelock_consumer_member set expires_ns = ? where group_name = ? and member = ?", expires, group_,
             member_);
  return joined > 0;
}

// Frees what members that no longer poll were reading; true when there were any.
bool SqliteConsumer::bury_the_dead(sql::Transaction& tx, base::Instant now) const {
  const auto dead =
      tx.execute("delete from tidelock_consumer_member where group_name = ? and (boot_id <> ? or expires_ns <= ?)",
                 group_, topics_->runtime().identity().boot_id, nanoseconds(now));
  tx.execute(
      "update tidelock_consumer_partition set member = null where group_name = ? and member is not null and "
      "member not in (select member from tidelock_consumer_member where group_name = ?)",
      group_, group_);
  return dead > 0;
}

// Takes what this member should read and nobody has, gives away what it should not and has finished with.
std::vector<SqliteConsumer::Slot> SqliteConsumer::divide(sql::Transaction& tx) const {
  auto slots = slots_;
  bool gave = false;
  const Subscription* divided = nullptr;
  std::size_t members = 0;
  std::size_t index = 0;
  for (auto& slot : slots) {
    if (slot.subscription != divided) {
      divided = slot.subscription;
      const auto names = live_members(tx, divided->topic.id);
      members = names.size();
      index = static_cast<std::size_t>(std::ranges::find(names, member_) - names.begin());
    }
    slot.wanted = slot.partition % members == index;
    gave |= settle(tx, slot);
  }
  if (gave) bump_generation(tx);
  return slots;
}

// True when the partition was given away.
bool SqliteConsumer::settle(sql::Transaction& tx, Slot& slot) const {
  const auto topic = slot.subscription->topic.id;
  tx.execute(
      "insert into tidelock_consumer_partition (group_name, topic, part) values (?, ?, ?) on conflict do nothing",
      group_, topic, slot.partition);
  const auto holder = tx.one<std::optional<std::string>>(
      "select member from tidelock_consumer_partition where group_name = ? and topic = ? and part = ?", group_, topic,
      slot.partition);
  if (slot.owned && holder != member_) {  // Lost while this member did not poll.
    slot.owned = false;
    slot.lost = slot.lost || slot.position != slot.committed;
  }
  // Without knowing it holds what it took in a transaction of which it never heard.
  const bool is_done = slot.owned ? slot.position == slot.committed : holder == member_;
  if (!slot.wanted && is_done) {
    tx.execute("update tidelock_consumer_partition set member = null where group_name = ? and topic = ? and part = ?",
               group_, topic, slot.partition);
    slot.owned = false;
    return true;
  }
  if (!slot.owned && slot.wanted && (!holder || holder == member_)) {
    const auto committed = tx.one<std::optional<std::int64_t>>(
        "update tidelock_consumer_partition set member = ? where group_name = ? and topic = ? and part = ? "
        "returning committed",
        member_, group_, topic, slot.partition);
    slot.owned = true;
    slot.position = committed ? *committed : start_position(tx, slot);
    if (!committed && options_.start == ConsumerOptions::Start::newest) {  // What comes after it is the group's.
      tx.execute("update tidelock_consumer_partition set committed = ? where group_name = ? and topic = ? and part = ?",
                 slot.position, group_, topic, slot.partition);
    }
    slot.committed = slot.position;
  }
  return false;
}

void SqliteConsumer::join_or_refresh() {
  const auto now = topics_->runtime().now();
  auto [slots, generation] = sql::transact(topics_->database(), [&](sql::Transaction& tx) {
    const bool joined = stay_alive(tx, now);
    const bool dead = bury_the_dead(tx, now);
    if (joined || dead) bump_generation(tx);
    auto divided = divide(tx);
    return std::pair(std::move(divided),
                     tx.one<std::int64_t>("select generation from tidelock_consumer_group where name = ?", group_));
  });
  slots_ = std::move(slots);
  generation_ = generation;
  next_refresh_ = base::later(now, options_.session_timeout / 3);
}

bool SqliteConsumer::must_refresh() {
  if (topics_->runtime().now() >= next_refresh_) return true;
  return topics_->database().one<std::int64_t>("select generation from tidelock_consumer_group where name = ?",
                                               group_) != generation_;
}

std::vector<Delivery> SqliteConsumer::fetch(std::size_t max) {
  std::vector<Delivery> deliveries;
  std::vector<std::pair<Slot*, std::int64_t>> reached;  // What a later partition's error takes away was not delivered.
  auto connection = topics_->database().connect();
  for (std::size_t i = 0; i < slots_.size() && deliveries.size() < max; ++i) {
    auto& slot = slots_[(first_slot_ + i) % slots_.size()];
    if (!slot.owned || !slot.wanted) continue;
    const auto before = deliveries.size();
    for (const auto row :
         connection.query("select " + std::string(kDeliveryColumns) +
                              " from tidelock_message "
                              "where topic = ? and part = ? and position >= ? order by position limit ?",
                          slot.subscription->topic.id, slot.partition, slot.position, max - deliveries.size())) {
      deliveries.push_back(read_delivery(row, slot.subscription->name, slot.partition));
    }
    if (deliveries.size() > before) reached.emplace_back(&slot, deliveries.back().place.offset + 1);
  }
  for (const auto& [slot, position] : reached) slot->position = position;
  first_slot_ = (first_slot_ + 1) % slots_.size();
  return deliveries;
}

std::vector<Delivery> SqliteConsumer::poll(std::size_t max, base::Deadline deadline, const std::stop_token& stop) {
  if (max == 0) throw Error(Code::invalid_argument, "poll for at least one message");
  auto& runtime = topics_->runtime();
  for (;;) {
    if (must_refresh()) join_or_refresh();
    auto deliveries = fetch(max);
    if (!deliveries.empty() || stop.stop_requested() || deadline.passed(runtime.now())) return deliveries;
    rest(std::min(deadline, base::Deadline(next_refresh_)), stop);
  }
}

// Until somebody wrote to the database.
void SqliteConsumer::rest(base::Deadline deadline, const std::stop_token& stop) {
  auto& runtime = topics_->runtime();
  if (watch_ != nullptr) {
    watch_->wait(std::min(deadline, runtime.in(kLook)), stop);
  } else {
    runtime.sleep_until(std::min(deadline, runtime.in(kBlindLook)).at(), stop);
  }
}

void SqliteConsumer::commit() {
  const auto name_of = [](const Slot& slot) { return slot.subscription->name + "/" + std::to_string(slot.partition); };
  std::vector<std::string> lost;
  const bool give_away =
      std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.owned && !slot.wanted; });
  sql::transact(topics_->database(), [&](sql::Transaction& tx) {
    lost.clear();
    for (const auto& slot : slots_) {
      if (slot.lost) lost.push_back(name_of(slot));
      if (!slot.owned || slot.position == slot.committed) continue;
      const auto changed = tx.execute(
          "update tidelock_consumer_partition set committed = ? "
          "where group_name = ? and topic = ? and part = ? and member = ?",
          slot.position, group_, slot.subscription->topic.id, slot.partition, member_);
      if (changed == 0 && !slot.lost) lost.push_back(name_of(slot));
    }
  });
  for (auto& slot : slots_) {
    slot.committed = slot.position;
    slot.lost = false;
  }
  if (give_away || !lost.empty()) next_refresh_ = {};
  if (!lost.empty()) {
    throw Error(Code::lease_lost, "group " + base::quoted(group_) + " took " + base::listed(lost) +
                                      " from this member, because it did not poll for session_timeout; what it had "
                                      "not committed is delivered again");
  }
}

std::vector<Place> SqliteConsumer::positions() const {
  std::vector<Place> places;
  for (const auto& slot : slots_) {
    if (slot.owned) places.push_back({slot.subscription->name, slot.partition, slot.position});
  }
  return places;
}

}  // namespace tidelock::broker::sqlite
