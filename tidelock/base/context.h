// Values that belong to a unit of work (trace, run, deadline, owner), not to a thread.
//
// A value is visible to the task that set it, and to the tasks spawned while it is set, until its Scope ends.
#pragma once

#include <memory>
#include <utility>

#include "tidelock/base/runtime.h"

namespace tidelock::base {

// A slot for one value per task. Define it once, as a constant of static lifetime; its address is its identity:
//   inline constexpr TaskLocal<std::string> kRunName;
//   auto scope = kRunName.set(runtime, "nightly");  // Until the end of this block.
// Thread-safe. A Scope must end in the task that made it, in reverse order of making.
template <typename T>
class TaskLocal {
 public:
  class [[nodiscard]] Scope {
   public:
    Scope(Runtime& runtime, const void* key, T value) : runtime_(runtime), saved_(runtime.context()) {
      runtime_.context() =
          std::make_shared<const ContextFrame>(ContextFrame{key, std::make_shared<const T>(std::move(value)), saved_});
    }
    ~Scope() { runtime_.context() = std::move(saved_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Runtime& runtime_;
    std::shared_ptr<const ContextFrame> saved_;
  };

  constexpr TaskLocal() = default;
  TaskLocal(const TaskLocal&) = delete;
  TaskLocal& operator=(const TaskLocal&) = delete;

  Scope set(Runtime& runtime, T value) const { return Scope(runtime, this, std::move(value)); }

  // Null when not set. Valid until the scope that set it ends.
  const T* get(Runtime& runtime) const {
    for (const ContextFrame* frame = runtime.context().get(); frame != nullptr; frame = frame->outer.get()) {
      if (frame->key == this) return static_cast<const T*>(frame->value.get());
    }
    return nullptr;
  }

 private:
  char identity_ = 0;  // Keeps two slots of one type at two addresses.
};

}  // namespace tidelock::base
