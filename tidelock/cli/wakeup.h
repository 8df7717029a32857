// Lets a task wake another one that waits for descriptors.
#pragma once

#include "tidelock/base/descriptor.h"

namespace tidelock::cli {

// Thread-safe.
class Wakeup {
 public:
  Wakeup();
  int descriptor() const { return event_.get(); }  // Readable once wake() was called.
  void wake();
  void reset();

 private:
  base::Descriptor event_;
};

}  // namespace tidelock::cli
