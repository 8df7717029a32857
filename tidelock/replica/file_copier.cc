#include "tidelock/replica/file_copier.h"

#include <array>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/replica/backends/all.h"

namespace tidelock::replica {

FileCopier::FileCopier(base::Runtime& runtime, base::Files& files)
    : files_(files), engines_(file_engines(runtime, files)) {}

FileEngine& FileCopier::engine_of(const base::Path& master) {
  std::array<std::byte, 16> first{};
  const auto count = files_.open(master, base::OpenMode::read)->read_at(0, first);
  for (const auto& engine : engines_) {
    if (engine->owns(std::span(first).first(count))) return *engine;
  }
  std::vector<std::string> names;
  for (const auto& engine : engines_) names.emplace_back(engine->name());
  throw Error(Code::not_a_database, base::quoted(master.string()) +
                                        " is no database that can be replicated: it would have to be a file of " +
                                        base::listed(names));
}

Copied FileCopier::copy(const CopyRequest& request, const std::stop_token& stop) {
  auto& engine = engine_of(request.master);
  auto copied = engine.copy(request, stop);
  copied.engine = engine.name();
  return copied;
}

void FileCopier::check(const CheckRequest& request, const std::stop_token& stop) {
  for (const auto& engine : engines_) {
    if (engine->name() == request.engine) return engine->check(request, stop);
  }
  throw Error(Code::unsupported, "the engine " + base::quoted(request.engine) + " is not compiled in");
}

MasterState FileCopier::look(const base::Path& master) {
  auto& engine = engine_of(master);
  auto state = engine.look(master);
  state.engine = engine.name();
  return state;
}

}  // namespace tidelock::replica
