// Messages as they stand in their table.
#pragma once

#include <string>

#include "tidelock/broker/message.h"
#include "tidelock/sql/statement.h"

namespace tidelock::broker::sqlite {

// Of tidelock_message, in this order, for read_delivery().
inline constexpr const char* kDeliveryColumns = "position, message_key, payload, headers, published_us";

Delivery read_delivery(const sql::Row& row, const std::string& topic, std::uint32_t partition);

}  // namespace tidelock::broker::sqlite
