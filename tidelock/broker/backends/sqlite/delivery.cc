#include "tidelock/broker/backends/sqlite/delivery.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

namespace tidelock::broker::sqlite {
namespace {

Headers headers_of(const std::optional<sql::Json>& json) {
  Headers headers;
  if (!json) return headers;
  for (const auto& pair : nlohmann::json::parse(json->text)) {
    headers.emplace_back(pair.at(0).get<std::string>(), pair.at(1).get<std::string>());
  }
  return headers;
}

}  // namespace

Delivery read_delivery(const sql::Row& row, const std::string& topic, std::uint32_t partition) {
  Delivery delivery;
  delivery.place = {topic, partition, row.get<std::int64_t>(0)};
  delivery.message.key = row.get<std::string>(1);
  const auto payload = row.get<sql::BlobView>(2);
  delivery.message.payload.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
  delivery.message.headers = headers_of(row.get<std::optional<sql::Json>>(3));
  delivery.published_at = base::WallTime(std::chrono::microseconds(row.get<std::int64_t>(4)));
  return delivery;
}

}  // namespace tidelock::broker::sqlite
