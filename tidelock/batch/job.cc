#include "tidelock/batch/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/batch/condition.h"
#include "tidelock/lock/key.h"

namespace tidelock::batch {
namespace {

constexpr std::size_t kChunkRowsMax = 1'000'000;
constexpr std::size_t kNameBytesMax = 200;  // Leaves room for "group/" and the like in a lock key.

// Collects what is wrong with one step, or with the job.
class Findings {
 public:
  Findings(std::vector<Mistake>& all, std::optional<std::size_t> step) : all_(all), step_(step) {}
  void add(std::string where, std::string what) { all_.push_back({step_, std::move(where), std::move(what)}); }
  // What `check` throws is a mistake.
  template <typename Check>
  void expect(const std::string& where, Check check) {
    try {
      check();
    } catch (const Error& error) {
      add(where, error.message());
    }
  }

 private:
  std::vector<Mistake>& all_;
  const std::optional<std::size_t> step_;
};

void check_name(Findings& findings, const std::string& where, std::string_view name) {
  findings.expect(where, [&] { lock::check_key(where, name); });
  if (name.size() > kNameBytesMax) findings.add(where, fmt::format("is longer than {} bytes", kNameBytesMax));
}

void check_write(Findings& findings, const ChunkStep& step) {
  const auto& write = step.write;
  if (write.table.empty()) findings.add("insert", "name the table: insert, upsert or update = \"table\"");
  const bool by_key = write.kind != Write::Kind::insert;
  if (by_key && write.key.empty())
    findings.add("key", "upsert and update need the fields of the key, as key = [\"id\"]");
  if (!by_key && !write.key.empty()) findings.add("key", "has no meaning for an insert; did you mean upsert?");
  if (!step.record) return;
  std::vector<std::string> names;
  for (const auto& field : step.record->fields) names.push_back(field.name);
  for (const auto& key : write.key) {
    if (std::ranges::find(names, key) == names.end()) {
      findings.add("key", fmt::format("{} is no field of record {}, which has {}", base::quoted(key),
                                      base::quoted(step.record->name), base::listed(names)));
    }
  }
  if (write.kind == Write::Kind::update && std::set(write.key.begin(), write.key.end()).size() == names.size()) {
    findings.add("key", "names all fields, so that nothing is left to update");
  }
}

void check_chunks(Findings& findings, const ChunkStep& step) {
  check_write(findings, step);
  if (step.chunk_rows < 1 || step.chunk_rows > kChunkRowsMax) {
    findings.add("chunk", fmt::format("must be 1 to {}, not {}", kChunkRowsMax, step.chunk_rows));
  }
  if (!step.record) {
    if (std::holds_alternative<CsvSource>(step.source))
      findings.add("record", "a csv needs one: it says what a valid row is");
    if (!step.only.empty()) findings.add("only", "needs a record, whose fields it names");
    return;
  }
  if (step.record->fields.empty()) findings.add("record", "has no fields");
  for (const auto& check : step.record->checks) {
    findings.expect("check", [&] { Condition::parse(check, step.record->fields); });
  }
  if (!step.only.empty()) findings.expect("only", [&] { Condition::parse(step.only, step.record->fields); });
}

void check_what(Findings& findings, const Job& job, const Step& step) {
  const bool writes = std::holds_alternative<ChunkStep>(step.what) || std::holds_alternative<SqlStep>(step.what);
  if (writes && job.store.empty()) findings.add("store", "the job needs one: its steps write to it");
  if (const auto* chunks = std::get_if<ChunkStep>(&step.what)) check_chunks(findings, *chunks);
  if (const auto* publish = std::get_if<PublishStep>(&step.what); publish != nullptr && publish->replica.empty()) {
    findings.add("publish", "name a replica");
  }
  if (const auto* command = std::get_if<CommandStep>(&step.what)) {
    if (command->argv.empty() || command->argv.front().empty()) findings.add("command", "name a program");
    if (command->timeout <= base::Duration::zero()) findings.add("timeout", "must be longer than nothing");
  }
  if (const auto* trigger = std::get_if<TriggerStep>(&step.what)) {
    if (trigger->job == job.name) findings.add("trigger", "a job that triggers itself never ends");
  }
}

}  // namespace

std::string_view kind_name(const What& what) {
  constexpr std::array<std::string_view, 5> kNames{"chunk", "sql", "publish", "command", "trigger"};
  static_assert(kNames.size() == std::variant_size_v<What>);
  return kNames[what.index()];
}

std::string group_key(std::string_view group) { return "group/" + std::string(group); }

std::string slot_key(const Job& job) { return job.group ? group_key(job.group->name) : "job/" + job.name; }

std::vector<Mistake> find_mistakes(const Job& job) {
  std::vector<Mistake> mistakes;
  Findings of_job(mistakes, std::nullopt);
  check_name(of_job, "name", job.name);
  if (job.steps.empty()) of_job.add("step", "a job needs at least one step");
  if (job.first && job.schedule) of_job.add("schedule", "is either @first or a time");
  if (job.group) {
    check_name(of_job, "group", job.group->name);
    if (job.group->slots < 1) of_job.add("slots", "must be at least 1");
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < job.steps.size(); ++i) {
    const auto& step = job.steps[i];
    Findings of_step(mistakes, i);
    check_name(of_step, "name", step.name);
    if (!names.insert(step.name).second)
      of_step.add("name", base::quoted(step.name) + " is another step's name already");
    if (step.max_attempts && *step.max_attempts < 1)
      of_step.add("max_attempts", "must be at least 1; it counts the first");
    of_step.expect("backoff", [&] { base::Backoff check(step.backoff); });
    check_what(of_step, job, step);
  }
  return mistakes;
}

}  // namespace tidelock::batch
