#include "tidelock/pipeline/plan.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tidelock/base/log.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/pipeline/market_clock.h"

namespace tidelock::pipeline {
namespace {

using nlohmann::ordered_json;

std::string shown(const std::string& url) { return base::Url::parse(url).to_string(); }

std::string when(const batch::Job& job) {
  if (job.first) return "@first";
  return job.schedule ? job.schedule->text() : "when triggered or by hand";
}

std::string joined(const std::vector<std::string>& argv) {
  std::string out;
  for (const auto& each : argv) {
    out += out.empty() ? "" : " ";
    out += each.find_first_of(" \t\"'") == std::string::npos && !each.empty() ? each : base::quoted(each);
  }
  return out;
}

std::string dump(const ordered_json& json) { return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace); }

}  // namespace

Plan make_plan(const Pipeline& pipeline, base::WallTime now, std::size_t runs) {
  return {pipeline, batch::upcoming(pipeline.jobs, now, runs)};
}

std::string Plan::to_text() const {
  const auto& settings = pipeline.settings;
  auto out =
      fmt::format("pipeline {} is right; nothing was started\n\nstate     {}\n", settings.name, shown(settings.state));
  for (const auto& store : pipeline.stores) out += fmt::format("store     {}  {}\n", store.name, shown(store.url));
  for (const auto& replica : pipeline.replicas) {
    out += fmt::format("replica   {}  of {} in {}, {} versions\n", replica.name, replica.store, replica.to.string(),
                       replica.keep);
  }
  for (const auto& job : pipeline.jobs) {
    out += fmt::format("job       {}  {}{}, {} steps\n", job.name, when(job),
                       job.group ? ", group " + job.group->name : "", job.steps.size());
  }
  for (const auto& service : pipeline.services) {
    out += fmt::format("service   {}  {}\n", service.name, joined(service.argv));
  }
  if (!next.empty()) out += fmt::format("\nnext runs ({})\n", settings.timezone);
  for (const auto& run : next) out += fmt::format("  {}  {}\n", local_time(run.at, settings.timezone), run.job);
  return out;
}

std::string Plan::to_json() const {
  ordered_json out;
  out["pipeline"] = pipeline.settings.name;
  out["timezone"] = pipeline.settings.timezone;
  out["state"] = shown(pipeline.settings.state);
  out["stores"] = ordered_json::array();
  for (const auto& store : pipeline.stores) out["stores"].push_back({{"name", store.name}, {"url", shown(store.url)}});
  out["replicas"] = ordered_json::array();
  for (const auto& replica : pipeline.replicas) {
    out["replicas"].push_back(
        {{"name", replica.name}, {"store", replica.store}, {"to", replica.to.string()}, {"keep", replica.keep}});
  }
  out["jobs"] = ordered_json::array();
  for (const auto& job : pipeline.jobs) {
    ordered_json steps = ordered_json::array();
    for (const auto& step : job.steps) steps.push_back({{"name", step.name}, {"kind", batch::kind_name(step.what)}});
    out["jobs"].push_back({{"name", job.name},
                           {"schedule", when(job)},
                           {"group", job.group ? ordered_json(job.group->name) : ordered_json(nullptr)},
                           {"steps", std::move(steps)}});
  }
  out["services"] = ordered_json::array();
  for (const auto& service : pipeline.services) {
    out["services"].push_back({{"name", service.name}, {"command", service.argv}});
  }
  out["next"] = ordered_json::array();
  for (const auto& run : next) out["next"].push_back({{"at", base::format_wall_time(run.at)}, {"job", run.job}});
  return dump(out);
}

std::string to_json(const InvalidPipeline& invalid) {
  return dump({{"error",
                {{"code", tidelock::name(invalid.code())},
                 {"disposition", tidelock::name(invalid.disposition())},
                 {"message", invalid.message()},
                 {"next", "change the pipeline file"},
                 {"exit", 2},
                 {"mistakes", invalid.lines()}}}});
}

}  // namespace tidelock::pipeline
