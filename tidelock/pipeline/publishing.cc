#include "tidelock/pipeline/publishing.h"

#include <fmt/format.h>

#include "tidelock/base/error.h"

namespace tidelock::pipeline {

std::string Publishing::publish(const Replica& replica, sql::Database& owner, const std::stop_token& stop) {
  const auto* store = pipeline_.store(replica.store);
  if (store == nullptr || store->file.empty()) {
    throw Error(Code::invalid_argument, fmt::format("replica {} has no master that is a file", replica.name));
  }
  const auto locks = toolkit_.lock_backend(pipeline_.settings.state);
  replica::Publisher publisher(toolkit_.runtime(), toolkit_.files(), *locks,
                               {.master = store->file, .folder = replica.to, .keep = replica.keep});
  return fmt::format("version {}", publisher.publish(&owner, stop).version.sequence);
}

}  // namespace tidelock::pipeline
