#include "tidelock/broker/backends/sqlite/delivery.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"

namespace tidelock::broker::sqlite {
namespace {

// [["name", "value"], …]. Empty when it is anything else.
std::optional<Headers> parse_headers(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return std::nullopt;
  Headers headers;
  for (const auto& pair : json) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) return std::nullopt;
    headers.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return headers;
}

Headers headers_of(const std::optional<sql::Json>& json, const Place& place) {
  if (!json) return {};
  if (auto headers = parse_headers(json->text)) return *std::move(headers);
  throw Error(Code::corrupt, "the headers of message " + std::to_string(place.offset) + " in partition " +
                                 std::to_string(place.partition) + " of topic " + base::quoted(place.topic) +
                                 " are damaged");
}

}  // namespace

Delivery read_delivery(const sql::Row& row, const std::string& topic, std::uint32_t partition) {
  Delivery delivery;
  delivery.place = {topic, partition, row.get<std::int64_t>(0)};
  delivery.message.key = row.get<std::string>(1);
  const auto payload = row.get<sql::BlobView>(2);
  delivery.message.payload.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
  delivery.message.headers = headers_of(row.get<std::optional<sql::Json>>(3), delivery.place);
  delivery.published_at = base::WallTime(std::chrono::microseconds(row.get<std::int64_t>(4)));
  return delivery;
}

}  // namespace tidelock::broker::sqlite
