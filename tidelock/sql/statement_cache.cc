#include "tidelock/sql/statement_cache.h"

#include <utility>

namespace tidelock::sql {

const std::shared_ptr<CachedStatement>* StatementCache::find(std::string_view text) {
  if (!entries_.empty() && entries_.front()->text == text) return &entries_.front();
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &entries_.front();
}

const std::shared_ptr<CachedStatement>& StatementCache::add(std::shared_ptr<CachedStatement> statement) {
  std::erase_if(retired_, [](const auto& old) { return old.use_count() == 1; });
  entries_.push_front(std::move(statement));
  by_text_.emplace(entries_.front()->text, entries_.begin());
  while (entries_.size() > capacity_) {
    by_text_.erase(entries_.back()->text);
    auto last = std::move(entries_.back());
    entries_.pop_back();
    if (last.use_count() > 1) retired_.push_back(std::move(last));
  }
  return entries_.front();
}

void StatementCache::clear() noexcept {
  for (const auto& statement : entries_) statement->prepared.reset();
  for (const auto& statement : retired_) statement->prepared.reset();
  by_text_.clear();
  entries_.clear();
  retired_.clear();
}

}  // namespace tidelock::sql
