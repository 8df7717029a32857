// What stops the tasks of a process that was killed.
#pragma once

namespace tidelock::world {

// Thrown by every wait, and by every call on Files, File, Watch and Link, in a process that was killed: its I/O is cut
// first, so that destructors which run while it unwinds cannot release anything politely. Derived from nothing on
// purpose: only catch (...) stops it, and the next call throws it again. A destructor that does I/O must catch (...).
struct Crashed final {};

}  // namespace tidelock::world
