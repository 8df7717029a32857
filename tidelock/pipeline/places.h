// Paths and URLs of a pipeline file made complete.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"

namespace tidelock::pipeline {

class Places {
 public:
  // folder: of the pipeline file. work: as it is written, from there.
  Places(base::Path folder, const base::Path& work);

  const base::Path& folder() const { return folder_; }
  const base::Path& work() const { return work_; }

  // {work} replaced, nothing else.
  std::string expand(std::string_view text) const;
  // {work} replaced, and counted from the folder of the pipeline file.
  base::Path path(std::string_view text) const;
  // The same for the path in the URL of a file database.
  std::string url(std::string_view text) const;

  bool below_work(const base::Path& path) const { return is_below(path, work_); }
  // The same path counts as well.
  static bool is_below(const base::Path& path, const base::Path& folder);
  // The path in the URL of a file database; empty for another.
  static base::Path file_of(std::string_view url);

  // What stands in braces and is not {work}; empty when there is nothing such.
  static std::string unknown_in_braces(std::string_view text);

 private:
  base::Path folder_;
  base::Path work_;
};

}  // namespace tidelock::pipeline
