#include "tidelock/sql/observer.h"

namespace tidelock::sql {

void Observer::on_start(const StatementEvent&) noexcept {}
void Observer::on_observed() noexcept {}
void Observer::on_removed() noexcept {}
void Observer::on_hook_error(std::uint64_t, const std::exception&) noexcept {}

}  // namespace tidelock::sql
