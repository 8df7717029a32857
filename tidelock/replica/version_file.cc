#include "tidelock/replica/version_file.h"

#include <fmt/format.h>

#include <utility>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/base/url.h"
#include "tidelock/sql/backends/all.h"

namespace tidelock::replica {
namespace {

base::FileInfo look_at(base::Files& files, const base::Path& path, const Manifest& manifest) {
  const auto name = base::quoted(path.string());
  const auto info = files.info(path);
  if (!info) throw Error(Code::not_found, "the version " + name + " is missing");
  if (info->kind != base::FileInfo::Kind::file || info->size_bytes != manifest.size_bytes) {
    throw Error(Code::corrupt, fmt::format("the version {} has {} bytes where its manifest says {}", name,
                                           info->size_bytes, manifest.size_bytes));
  }
  for (const auto& sidecar : Folder::sidecars(path)) {
    if (!files.info(sidecar)) continue;
    throw Error(Code::corrupt, base::quoted(sidecar.string()) +
                                   " lies beside a version and would be taken for a part of it: remove it");
  }
  return *info;
}

}  // namespace

std::shared_ptr<const VersionFile> VersionFile::open(base::Runtime& runtime, const Folder& folder, Manifest manifest,
                                                     const std::map<std::string, std::string>& parameters,
                                                     const sql::DatabaseOptions& options) {
  auto path = folder.file(manifest.version.sequence);
  const auto info = look_at(folder.files(), path, manifest);
  base::Url url;
  url.scheme = manifest.engine;
  url.path = path.string();
  url.params = parameters;
  url.params["mode"] = "ro";
  auto database = sql::open(runtime, folder.files(), url, options);
  auto opened = std::make_shared<VersionFile>(folder.files(), std::move(path), info.id(), std::move(manifest),
                                              std::move(database));
  if (opened->is_still_there()) return opened;  // So this is the file that was opened.
  throw Error(Code::unavailable, base::quoted(opened->path_.string()) + " was replaced while it was opened");
}

VersionFile::VersionFile(base::Files& files, base::Path path, base::FileInfo::Id file, Manifest manifest,
                         std::unique_ptr<sql::Database> database)
    : files_(files),
      path_(std::move(path)),
      file_(file),
      manifest_(std::move(manifest)),
      database_(std::move(database)) {}

bool VersionFile::is_still_there() const {
  const auto info = files_.info(path_);
  return info && info->id() == file_ && info->size_bytes == manifest_.size_bytes;
}

}  // namespace tidelock::replica
