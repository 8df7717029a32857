#include "tidelock/sql/transaction.h"

#include <memory>
#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/log.h"
#include "tidelock/base/log_sinks.h"
#include "tidelock/sql/link.h"
#include "tidelock/sql/pool.h"

namespace tidelock::sql {

Transaction::Transaction(Transaction&& other) noexcept
    : Executor(std::exchange(other.link_, nullptr), other.scope_),
      is_read_only_(other.is_read_only_),
      hooks_(std::move(other.hooks_)) {}

Transaction::~Transaction() { rollback(); }

bool Transaction::is_open() const { return link_ != nullptr && link_->is_on(scope_); }

bool Transaction::has_savepoint() const { return is_open() && link_->has_savepoint(); }

Position Transaction::commit() { return commit(true); }
void Transaction::commit_without_position() { commit(false); }

Position Transaction::commit(bool want_position) {
  auto& on = link();
  auto position = on.commit(scope_, want_position);
  for (const auto& hook : std::exchange(hooks_, {})) {
    try {
      hook();
    } catch (const std::exception& error) {
      if (auto* const observer = on.pool().observer()) {
        observer->on_hook_error(scope_, error);
      } else {  // It must not get lost: nobody else hears of it.
        base::Log(on.pool().runtime(), base::LogLevel::warning, {std::make_shared<base::TextLog>()})
            .warning("an after-commit hook failed; the commit stands",
                     {{"database", on.pool().name()}, {"error", error.what()}});
      }
    }
  }
  return position;
}

void Transaction::prepare_commit() {
  link().prepare_commit(scope_);
  hooks_.clear();
}

void Transaction::rollback() noexcept {
  if (link_ != nullptr) link_->rollback(scope_);
  hooks_.clear();
}

void Transaction::after_commit(std::function<void()> hook) {
  if (!is_open()) throw Error(Code::misuse, "the transaction is over: nothing runs after it any more");
  hooks_.push_back(std::move(hook));
}

Savepoint Transaction::savepoint() {
  auto& on = link();
  return Savepoint(on, scope_, on.savepoint(scope_));
}

Savepoint::Savepoint(Savepoint&& other) noexcept
    : link_(std::exchange(other.link_, nullptr)), scope_(other.scope_), depth_(other.depth_) {}

Savepoint::~Savepoint() {
  if (link_ != nullptr) link_->drop_savepoint(scope_, depth_);
}

void Savepoint::release() {
  if (link_ == nullptr) throw Error(Code::misuse, "the savepoint was released or rolled back before");
  link_->release_savepoint(scope_, depth_);
  link_ = nullptr;
}

void Savepoint::rollback() {
  if (link_ == nullptr) throw Error(Code::misuse, "the savepoint was released or rolled back before");
  link_->rollback_to_savepoint(scope_, depth_);
  link_ = nullptr;
}

}  // namespace tidelock::sql
