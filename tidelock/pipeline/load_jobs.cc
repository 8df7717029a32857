// The part of the Loader that reads jobs and what ties them together.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/pipeline/loader.h"

namespace tidelock::pipeline {
namespace {

constexpr std::string_view kEvery = "every ";

bool needs_store(const batch::Step& step) {
  return std::holds_alternative<batch::ChunkStep>(step.what) || std::holds_alternative<batch::SqlStep>(step.what);
}

batch::Missed missed(const std::string& word) {
  return word == "none" ? batch::Missed::none : word == "all" ? batch::Missed::all : batch::Missed::once;
}

}  // namespace

void Loader::read_jobs() {
  for (const auto& each : named("job")) read_job(each);
  if (names_["job"].empty() && names_["service"].empty()) {
    mistakes_.add(1, {}, "there is neither a job nor a service", "write a section [job.NAME]");
  }
}

void Loader::read_job(const Named& named) {
  const auto mistakes_before = mistakes_.count();
  const auto in = section("job", named, "step");
  batch::Job job;
  job.name = named.entry->key;
  job.store = in.text("store");
  check_reference(in, "store");
  check_reference(in, "group");
  read_schedule(in, job);
  job.missed = missed(in.text("missed"));
  job.overlap = in.text("overlap") == "skip" ? batch::Overlap::skip : batch::Overlap::wait;
  for (const auto& group : pipeline_.groups) {
    if (group.name == in.text("group")) job.group = group;
  }
  std::vector<Section> sections;
  job.steps = read_steps(named, in, sections);
  if (records_are_right_ && mistakes_.count() == mistakes_before) check_job(in, sections, job);
  pipeline_.jobs.push_back(std::move(job));
}

std::vector<batch::Step> Loader::read_steps(const Named& named, const Section& job, std::vector<Section>& sections) {
  std::vector<batch::Step> steps;
  const auto* entry = find(*named.table, "step");
  const auto* array = entry != nullptr ? entry->value.array() : nullptr;
  if (array == nullptr || array->empty()) {
    job.mistake({}, "the job has no steps", fmt::format("[[{}.step]]", job.path()));
    return steps;
  }
  StepContext context{files_, places_, pipeline_.records, options_.program_folders};
  if (const auto lexis = lexes_.find(job.text("store")); lexis != lexes_.end()) context.lexis = lexis->second;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const auto& each = (*array)[i];
    const auto* table = each.table();
    if (table == nullptr) {
      job.mistake({}, fmt::format("step {} is {}", i + 1, each.kind()), fmt::format("[[{}.step]]", job.path()));
      continue;
    }
    const auto* name = find(*table, "name");
    const auto* text = name != nullptr ? std::get_if<std::string>(&name->value.is) : nullptr;
    const Section in("job.NAME.step",
                     fmt::format("{}.{}", job.path(), text != nullptr ? *text : fmt::format("step[{}]", i + 1)),
                     each.line, *table, mistakes_);
    for (const auto key : {"publish", "trigger", "record"}) check_reference(in, key);
    auto step = read_step(in, context);
    if (!step) continue;
    if (needs_store(*step) && !job.written("store")) {
      in.mistake({}, "the job has no store to work on", fmt::format("store = \"NAME\" in [{}]", job.path()));
    }
    if (const auto* trigger = std::get_if<batch::TriggerStep>(&step->what)) {
      triggers_.push_back({named.entry->key, trigger->job, in.line("trigger"), in.path() + ".trigger"});
    }
    if (std::any_of(steps.begin(), steps.end(), [&](const auto& other) { return other.name == step->name; })) {
      in.mistake("name", "the job has two steps of this name", "a name of its own");
    }
    steps.push_back(*std::move(step));
    sections.push_back(in);
  }
  return steps;
}

void Loader::read_schedule(const Section& section, batch::Job& job) {
  if (!section.has("schedule")) return;
  const auto text = section.text("schedule");
  try {
    if (text == "@first") {
      job.first = true;
    } else if (text.starts_with(kEvery) || text.starts_with("@every ")) {
      job.schedule = batch::Schedule::every(base::parse_duration(text.substr(text.find(' ') + 1)));
    } else {
      job.schedule = batch::Schedule::cron(text, pipeline_.settings.timezone);
    }
  } catch (const Error& error) {
    section.mistake("schedule", error.message(), R"("0 0 * * *", "@daily", "every 5m" or "@first")");
  }
}

// What only the batch room can tell, once all else of the job is right.
void Loader::check_job(const Section& section, const std::vector<Section>& steps, const batch::Job& job) {
  for (const auto& [step, where, what] : batch::find_mistakes(job)) {
    if (where == "trigger") continue;  // Part of check_cycles().
    const auto& in = step && *step < steps.size() ? steps[*step] : section;
    in.mistake(where, what, "see docs/batch.md");
  }
}

void Loader::check_cycles() {
  enum class State { unseen, on_path, done };
  std::map<std::string, State> states;
  std::vector<std::string> path;
  const std::function<void(const std::string&)> visit = [&](const std::string& job) {
    states[job] = State::on_path;
    path.push_back(job);
    for (const auto& trigger : triggers_) {
      if (trigger.job != job) continue;
      if (states[trigger.to] == State::on_path) {
        std::string circle;
        for (auto at = std::find(path.begin(), path.end(), trigger.to); at != path.end(); ++at) circle += *at + " → ";
        mistakes_.add(trigger.line, trigger.path, fmt::format("{}{} never ends", circle, trigger.to),
                      "take one of these triggers out");
      } else if (states[trigger.to] == State::unseen) {
        visit(trigger.to);
      }
    }
    path.pop_back();
    states[job] = State::done;
  };
  for (const auto& job : pipeline_.jobs) {
    if (states[job.name] == State::unseen) visit(job.name);
  }
}

}  // namespace tidelock::pipeline
