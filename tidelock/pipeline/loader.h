// The inside of pipeline::load(): one pass over the file that finds all mistakes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/pipeline/mistakes.h"
#include "tidelock/pipeline/pipeline.h"
#include "tidelock/pipeline/places.h"
#include "tidelock/pipeline/section.h"
#include "tidelock/pipeline/steps.h"
#include "tidelock/pipeline/toml.h"
#include "tidelock/sql/dialect.h"

namespace tidelock::pipeline {

// Used once.
class Loader {
 public:
  // file: for messages. folder: the one it lies in.
  Loader(base::Files& files, std::string file, base::Path folder, const LoadOptions& options);

  // Error: InvalidPipeline.
  Pipeline read(std::string_view text);

 private:
  // A section of the kind, "store" say, with its name.
  struct Named {
    const TomlEntry* entry;
    const TomlTable* table;
  };
  std::vector<Named> named(std::string_view kind);
  Section section(std::string_view kind, const Named& named, std::string_view passed_over = {});

  void check_kinds();
  void collect_names();
  void read_settings();
  void read_spy();
  void read_stores();
  void read_lexis(const Section& section, const Store& store);
  void read_replicas();
  void read_groups();
  void read_records();
  void read_jobs();
  void read_job(const Named& named);
  std::vector<batch::Step> read_steps(const Named& named, const Section& job, std::vector<Section>& sections);
  void check_job(const Section& section, const std::vector<Section>& steps, const batch::Job& job);
  void read_schedule(const Section& section, batch::Job& job);
  void read_services();
  void check_reference(const Section& section, std::string_view key);
  void check_path(const Section& section, std::string_view key);
  bool check_scheme(const Section& section, std::string_view key, std::string_view url);
  std::string read_url(const Section& section, std::string_view key);
  void check_targets(const Section& section, const Replica& replica);
  void check_cycles();

  base::Files& files_;
  const base::Path folder_;
  const LoadOptions& options_;
  Mistakes mistakes_;
  TomlTable root_;
  Places places_;
  std::map<std::string, std::vector<std::string>, std::less<>> names_;  // By kind of section.
  // Who triggers whom, and where that is written.
  struct Trigger {
    std::string job;
    std::string to;
    int line;
    std::string path;
  };
  std::vector<Trigger> triggers_;
  bool records_are_right_ = true;
  std::map<std::string, sql::Lexis, std::less<>> lexes_;  // By store, of those whose URL is right.
  Pipeline pipeline_;
};

}  // namespace tidelock::pipeline
