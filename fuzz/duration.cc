// parse_duration() never crashes, refuses with invalid_argument only, and reads back what format_duration() writes.
#include "tidelock/base/duration.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tidelock/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidelock;
  try {
    const auto duration = base::parse_duration({reinterpret_cast<const char*>(data), size});
    if (duration < base::Duration::zero()) std::abort();
    if (base::parse_duration(base::format_duration(duration)) != duration) std::abort();
  } catch (const Error& error) {
    if (error.code() != Code::invalid_argument) std::abort();
  }
  return 0;
}
