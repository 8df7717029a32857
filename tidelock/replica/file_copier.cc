#include "tidelock/replica/file_copier.h"

#include <array>
#include <exception>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/replica/backends/all.h"

namespace tidelock::replica {
namespace {

// What a task that others wait for has thrown; null when it ended well.
using Outcome = std::exception_ptr;

template <typename Work>
Outcome outcome_of(Work&& work) {
  try {
    work();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

}  // namespace

FileCopier::FileCopier(base::Runtime& runtime, base::Files& files)
    : runtime_(runtime), files_(files), engines_(file_engines(runtime, files)) {}

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

Copied FileCopier::make(const CopyRequest& request, const std::stop_token& stop) {
  auto& engine = engine_of(request.master);
  // An engine takes its time to begin, and that is there while the master comes to a stand and is copied.
  std::unique_ptr<Checker> checker;
  Outcome made;
  auto making = runtime_.spawn(
      "make the checker", [&](const std::stop_token&) { made = outcome_of([&] { checker = engine.make_checker(); }); });
  Copied copied;
  {
    const Standstill standstill(request.hold, stop);
    copied = engine.copy(request, stop);
  }
  copied.engine = engine.name();
  making.join();
  if (made) std::rethrow_exception(made);
  sync_and_check(request, copied, *checker, stop);
  return copied;
}

void FileCopier::sync_and_check(const CopyRequest& request, const Copied& copied, Checker& checker,
                                const std::stop_token& stop) {
  // Open until the check is done: with the last opening of this process, the engine's lock on the file would go.
  const auto file = files_.open(request.copy, base::OpenMode::read_write);
  Outcome synced;
  Outcome checked;
  {
    const auto syncing =
        runtime_.spawn("sync the copy", [&](const std::stop_token&) { synced = outcome_of([&] { file->sync(); }); });
    checked = outcome_of([&] { checker.check(request.copy, copied, stop); });
  }
  if (synced) std::rethrow_exception(synced);
  if (checked) std::rethrow_exception(checked);
}

MasterState FileCopier::look(const base::Path& master) {
  auto& engine = engine_of(master);
  auto state = engine.look(master);
  state.engine = engine.name();
  return state;
}

}  // namespace tidelock::replica
