// Stacks and the switch between them. Internal to the World.
#pragma once

#include <cstddef>
#include <vector>

namespace tidelock::world {

// Memory a fiber runs on: lazily committed, with a guard page below, so that an overflow is a fault.
struct Stack {
  void* bottom = nullptr;  // Lowest usable byte.
  std::size_t size_bytes = 0;
};

// Stacks are reused, latest first. Used by one thread at a time.
class StackPool {
 public:
  explicit StackPool(std::size_t size_bytes);
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  Stack take();
  void give_back(Stack stack);

 private:
  std::size_t size_bytes_;
  std::vector<Stack> free_;
};

// One line of execution: where it stands, and what the C++ runtime and the sanitizers keep for it.
class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The first switch here calls entry(argument), which never returns: it ends in switch_from(..., ends = true).
  void prepare(Stack stack, void (*entry)(void*), void* argument);
  // Takes the stack back; only after the fiber ended and something else runs.
  Stack release();

  // Leaves `from`, which is running, and goes on here; returns when something switches back to `from`.
  void switch_from(Fiber& from, bool ends = false);

 private:
  // What __cxa_get_globals() points at (Itanium C++ ABI 2.2.2). Without it a switch inside a catch block would swap the
  // caught exceptions of two fibers.
  struct ExceptionState {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };

  void arrive(void* left);
  static void start(void* left, void* fiber);

  void* context_ = nullptr;
  Fiber* came_from_ = nullptr;  // At the latest switch here.
  ExceptionState exceptions_;
  Stack stack_;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  void* sanitizer_ = nullptr;  // ASan: the saved fake stack. TSan: its fiber.
};

}  // namespace tidelock::world
