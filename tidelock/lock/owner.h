// Who holds and who waits: the nodes of the deadlock graph.
//
// An owner is a path. A task's is "<owner id of its process>/<pid>" (the main task) or "<owner id>/<pid>.<task>": one
// task's wait does not block the others, nor does a child process that inherited the owner id block its siblings. Who
// stands above acts for those below: "a" may renew and release the leases of "a/7", and it waits for their ends. A
// program that runs another under its lease exports its own owner to it (TIDELOCK_OWNER), so that this holds between
// the two.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidelock/base/runtime.h"

namespace tidelock::lock {

// The owner of the current task.
std::string current_owner(base::Runtime& runtime);

// "<owner id>/<pid>": what the owners of all tasks of this process begin with.
std::string process_owner(const base::Identity& identity);

// True when both are the same, or `above` is a part of the path of `owner`.
bool acts_for(std::string_view above, std::string_view owner);

// The text of a task's owner, made without an allocation. Borrows `process_owner`.
class TaskOwner {
 public:
  TaskOwner(std::string_view process_owner, std::uint64_t task) : view_(process_owner) {
    if (task == 0) return;
    const fmt::format_int number(task);
    text_.reserve(process_owner.size() + 1 + number.size());
    text_.append(process_owner);
    text_.push_back('.');
    text_.append(number.data(), number.data() + number.size());
    view_ = {text_.data(), text_.size()};
  }
  TaskOwner(const TaskOwner&) = delete;
  TaskOwner& operator=(const TaskOwner&) = delete;

  std::string_view view() const { return view_; }

 private:
  static constexpr std::size_t kUsualBytes = 96;
  std::string_view view_;
  fmt::basic_memory_buffer<char, kUsualBytes> text_;
};

}  // namespace tidelock::lock
