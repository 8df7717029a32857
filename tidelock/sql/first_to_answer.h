// Places where a server may be, tried one after the other: a host that has several addresses, or several hosts.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/runtime.h"

namespace tidelock::sql {

// A fair part of the time that is left, where so many places are still to be tried, this one included.
base::Deadline fair_part(base::Deadline deadline, base::Instant now, std::size_t places);

// The same error, which also says what became of the places before.
Error with_tried_before(const Error& last, const std::string& tried);

// What `attempt(index, deadline)` returns at the first place where it succeeds. Each place has a fair part of the time,
// and the last one all that is left: one that never answers does not use up the others' time, and what one that refuses
// at once does not need, the others have. The next one is tried after a timeout, and after an error of which
// `another_may_do(error)` is true; any other is thrown as it is. `names`: of the places, for the message; not empty.
template <typename AnotherMayDo, typename Attempt>
auto first_to_answer(base::Runtime& runtime, const std::vector<std::string>& names, base::Deadline deadline,
                     AnotherMayDo&& another_may_do, Attempt&& attempt) {
  std::string tried;
  for (std::size_t i = 0;; ++i) {
    const auto left = names.size() - i;
    try {
      return attempt(i, fair_part(deadline, runtime.now(), left));
    } catch (const Error& error) {
      const bool goes_on = error.code() == Code::timeout || another_may_do(error);
      if (!goes_on || left == 1 || deadline.passed(runtime.now())) {
        if (tried.empty()) throw;
        throw with_tried_before(error, tried);
      }
      tried += (tried.empty() ? "" : ", ") + names[i] + ": " + std::string(name(error.code()));
    }
  }
}

}  // namespace tidelock::sql
