#include "tidelock/world/fiber.h"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <exception>
#include <new>
#include <utility>

#include "tidelock/world/sanitizer.h"

#if defined(TIDELOCK_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(TIDELOCK_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace tidelock::world {
namespace {

namespace context = boost::context::detail;

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

#if defined(TIDELOCK_ASAN) || defined(TIDELOCK_TSAN)
constexpr std::size_t kStackFactor = 4;  // Instrumented frames are larger.
#else
constexpr std::size_t kStackFactor = 1;
#endif

}  // namespace

StackPool::StackPool(std::size_t size_bytes) {
  const auto page = page_bytes();
  size_bytes_ = (size_bytes * kStackFactor + page - 1) / page * page;
}

StackPool::~StackPool() {
  for (const auto& stack : free_) munmap(static_cast<char*>(stack.bottom) - page_bytes(), size_bytes_ + page_bytes());
}

Stack StackPool::take() {
  if (!free_.empty()) {
    const auto stack = free_.back();
    free_.pop_back();
    return stack;
  }
  const auto guard = page_bytes();
  void* memory = mmap(nullptr, size_bytes_ + guard, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (mprotect(memory, guard, PROT_NONE) != 0) {
    munmap(memory, size_bytes_ + guard);
    throw std::bad_alloc();
  }
  return {static_cast<char*>(memory) + guard, size_bytes_};
}

void StackPool::give_back(Stack stack) {
#if defined(TIDELOCK_ASAN)
  ASAN_UNPOISON_MEMORY_REGION(stack.bottom, stack.size_bytes);
#endif
  free_.push_back(stack);
}

Fiber::~Fiber() {
#if defined(TIDELOCK_TSAN)
  if (entry_ != nullptr && sanitizer_ != nullptr) __tsan_destroy_fiber(sanitizer_);
#endif
}

void Fiber::prepare(Stack stack, void (*entry)(void*), void* argument) {
  stack_ = stack;
  entry_ = entry;
  argument_ = argument;
  context_ = context::make_fcontext(static_cast<char*>(stack.bottom) + stack.size_bytes, stack.size_bytes,
                                    [](context::transfer_t transfer) { start(transfer.fctx, transfer.data); });
#if defined(TIDELOCK_TSAN)
  sanitizer_ = __tsan_create_fiber(0);
#endif
}

Stack Fiber::release() { return std::exchange(stack_, {}); }

void Fiber::switch_from(Fiber& from, [[maybe_unused]] bool ends) {
  auto& exceptions = *reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
  from.exceptions_ = exceptions;
  exceptions = exceptions_;
#if defined(TIDELOCK_ASAN)
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.sanitizer_, stack_.bottom, stack_.size_bytes);
#elif defined(TIDELOCK_TSAN)
  if (from.entry_ == nullptr) from.sanitizer_ = __tsan_get_current_fiber();  // A thread's own, not made here.
  __tsan_switch_to_fiber(sanitizer_, 0);
#endif
  // Nothing of this frame may be written from here on when `from` ends: ASan has taken its fake stack away.
  came_from_ = &from;
  const auto transfer = context::jump_fcontext(context_, this);
  static_cast<Fiber*>(transfer.data)->arrive(transfer.fctx);
}

// Runs first on the side that is reached.
void Fiber::arrive(void* left) {
  came_from_->context_ = left;
#if defined(TIDELOCK_ASAN)
  const void* bottom = nullptr;
  std::size_t size_bytes = 0;
  __sanitizer_finish_switch_fiber(sanitizer_, &bottom, &size_bytes);
  // The thread's own stack is not made here.
  if (came_from_->entry_ == nullptr) came_from_->stack_ = {const_cast<void*>(bottom), size_bytes};
#endif
}

void Fiber::start(void* left, void* fiber) {
  auto& here = *static_cast<Fiber*>(fiber);
  here.arrive(left);
  here.entry_(here.argument_);
  std::terminate();  // The entry must not return.
}

}  // namespace tidelock::world
