#include "tidelock/cli/failure.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tidelock/cli/advice.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/json_text.h"

namespace tidelock::cli {

Failure Failure::of(const Error& error) {
  const auto* advised = dynamic_cast<const AdvisedError*>(&error);
  return {.code = error.code(),
          .what = error.what(),
          .next = advised != nullptr ? advised->next() : std::string(advice(error.code())),
          .exit = number(exit_for(error.code()))};
}

Failure Failure::of(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) return of(*known);
  return {.code = Code::internal,
          .what = error.what(),
          .next = std::string(advice(Code::internal)),
          .exit = number(Exit::failed)};
}

std::string Failure::line() const { return fmt::format("tidelock: {}: {} [{}]", what, next, name(code)); }

std::string Failure::json() const {
  const nlohmann::ordered_json error{{"code", name(code)},
                                     {"disposition", name(disposition(code))},
                                     {"message", what},
                                     {"next", next},
                                     {"exit", exit}};
  return json_text({{"error", error}}, kOneLine);
}

}  // namespace tidelock::cli
