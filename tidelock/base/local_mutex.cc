#include "tidelock/base/local_mutex.h"

#if defined(TIDELOCK_CHECKS)

#include <string>

#include "tidelock/base/error.h"

namespace tidelock::base {
namespace {

// Of a thread, also where its tasks are fibers: whoever switches holds none, so none is carried over.
thread_local int t_held = 0;

}  // namespace

void count_local_mutexes_held(int change) { t_held += change; }

void check_no_local_mutex_held(std::string_view waiter) {
  if (t_held == 0) return;
  throw Error(Code::misuse, std::string(waiter) +
                                " while it holds a LocalMutex: unlock it before the wait, or the next " +
                                "task that locks it stops for ever");
}

}  // namespace tidelock::base

#endif
