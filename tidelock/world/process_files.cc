#include "tidelock/world/process_files.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tidelock/base/errno_error.h"
#include "tidelock/world/file_on_disk.h"
#include "tidelock/world/process.h"
#include "tidelock/world/scheduler.h"
#include "tidelock/world/world.h"

namespace tidelock::world {

using base::errno_error;
using base::OpenMode;
using base::Path;

namespace {

const char* open_mode_name(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return "read";
    case OpenMode::read_write:
      return "read_write";
    case OpenMode::create:
      return "create";
    case OpenMode::create_new:
      return "create_new";
  }
  return "";
}

}  // namespace

class WatchOnDisk final : public base::Watch, public Watcher {
 public:
  WatchOnDisk(FilesOfProcess& files, std::shared_ptr<Node> folder, std::string name, Path path)
      : files_(files), folder_(std::move(folder)), name_(std::move(name)), path_(std::move(path)) {
    folder_->watchers.push_back(this);
    above_ = folder_->parent.lock();
    folder_name_ = folder_->name;
  }
  ~WatchOnDisk() override { std::erase(folder_->watchers, static_cast<Watcher*>(this)); }

  bool wait(base::Deadline deadline, const std::stop_token& stop) override {
    auto& scheduler = files_.process_.world().scheduler();
    const auto& machine = files_.process_.machine();
    files_.check_alive();
    const std::stop_callback wake(stop, [&] { scheduler.wake_all(waiting_); });
    while (!std::exchange(changed_, false)) {
      if (!is_where_it_was()) {
        throw errno_error(ENOENT, path_, "the watched folder is gone");
      }
      if (stop.stop_requested() || (!deadline.is_never() && deadline.passed(machine.now()))) return false;
      scheduler.wait(&waiting_, machine.when(deadline.at()), "a change of", path_.native());
      files_.check_alive();
    }
    return true;
  }

 private:
  bool is_where_it_was() const {
    if (folder_->inode == Tree::kRootInode) return true;
    return above_ != nullptr && folder_->parent.lock() == above_ && folder_->name == folder_name_;
  }

  void changed(const std::string& name) override {
    if (!name.empty() && !name_.empty() && name != name_) return;
    changed_ = true;
    files_.process_.world().scheduler().wake_all(waiting_);
  }

  FilesOfProcess& files_;
  const std::shared_ptr<Node> folder_;
  std::shared_ptr<Node> above_;  // Where the folder was when the watch was made.
  std::string folder_name_;
  const std::string name_;  // Empty: all of the folder.
  const Path path_;
  bool changed_ = false;
  WaitQueue waiting_;
};

void FilesOfProcess::check_alive() const {
  if (process_.crashed() || process_.world().scheduler().current().dying()) throw Crashed();
}

void FilesOfProcess::trace(std::string_view bytes) { process_.world().scheduler().trace().fold(bytes); }

void FilesOfProcess::cut() {
  for (auto* file : std::exchange(open_, {})) file->cut();
}

void FilesOfProcess::begin(Disk::Access access, const char* call, const Path& path, std::string_view more) {
  check_alive();
  trace(more);
  disk_.begin(access, call, path, 0);
  check_alive();
}

Tree::Place FilesOfProcess::existing(const Path& path, bool follow_last, const char* what) {
  auto place = disk_.tree_.find(path, follow_last);
  if (place.error == 0 && place.node == nullptr) place.error = ENOENT;
  if (place.error != 0) throw errno_error(place.error, path, what);
  return place;
}

void FilesOfProcess::check_changeable(const Tree::Place& place, const Path& path, const char* what) {
  if (place.error != 0) throw errno_error(place.error, path, what);
  if (place.folder == nullptr) throw errno_error(EBUSY, path, what);
  if (!place.folder->may_write()) throw errno_error(EACCES, path, what);
}

std::unique_ptr<base::File> FilesOfProcess::open(const Path& path, OpenMode mode) {
  constexpr auto kWhat = "it could not be opened";
  const bool writable = mode != OpenMode::read;
  begin(writable ? Disk::Access::change : Disk::Access::look, "open", path, open_mode_name(mode));
  auto place = disk_.tree_.find(path, mode != OpenMode::create_new);
  if (place.error != 0) throw errno_error(place.error, path, kWhat);
  if (place.node == nullptr) {
    if (mode != OpenMode::create && mode != OpenMode::create_new) throw errno_error(ENOENT, path, kWhat);
    check_changeable(place, path, kWhat);
    place.node = disk_.tree_.make(place, Node::Kind::file);
  } else {
    if (mode == OpenMode::create_new) throw errno_error(EEXIST, path, kWhat);
    if (place.node->kind == Node::Kind::folder) throw errno_error(EISDIR, path, kWhat);
    if (!place.node->may_read() || (writable && !place.node->may_write())) throw errno_error(EACCES, path, kWhat);
  }
  return std::make_unique<FileOnDisk>(*this, place.node, path, writable);
}

std::optional<base::FileInfo> FilesOfProcess::info(const Path& path) {
  begin(Disk::Access::look, "look at", path);
  const auto place = disk_.tree_.find(path, false);
  if (place.error == ENOENT || place.error == ENOTDIR || (place.error == 0 && place.node == nullptr)) return {};
  if (place.error != 0) throw errno_error(place.error, path, "nothing is known about it");
  const auto& node = *place.node;
  const auto size = node.kind == Node::Kind::symlink ? node.target.native().size() : node.content.size();
  return base::FileInfo{node.kind, size, node.inode, node.change_stamp};
}

void FilesOfProcess::rename(const Path& from, const Path& to) {
  begin(Disk::Access::change, "rename", from, to.native());
  const auto what = "it could not be renamed to " + to.string();
  const auto source = existing(from, false, what.c_str());
  const auto target = disk_.tree_.find(to, false);
  check_changeable(source, from, what.c_str());
  check_changeable(target, from, what.c_str());
  const bool folder = source.node->kind == Node::Kind::folder;
  for (auto above = target.folder; above != nullptr; above = above->parent.lock()) {
    if (above == source.node) throw errno_error(EINVAL, from, what);
  }
  if (target.node != nullptr && target.node != source.node) {
    const bool onto_folder = target.node->kind == Node::Kind::folder;
    if (folder != onto_folder) throw errno_error(folder ? ENOTDIR : EISDIR, from, what);
    if (!target.node->names.empty()) throw errno_error(ENOTEMPTY, from, what);
  }
  disk_.tree_.rename(source, target);
}

bool FilesOfProcess::remove(const Path& path) {
  constexpr auto kWhat = "it could not be removed";
  begin(Disk::Access::change, "remove", path);
  const auto place = disk_.tree_.find(path, false);
  if (place.error == ENOENT || place.error == ENOTDIR || (place.error == 0 && place.node == nullptr)) return false;
  check_changeable(place, path, kWhat);
  if (!place.node->names.empty()) throw errno_error(ENOTEMPTY, path, kWhat);
  disk_.tree_.remove(place);
  return true;
}

void FilesOfProcess::create_folders(const Path& path) {
  constexpr auto kWhat = "the folder could not be made";
  begin(Disk::Access::look, "make folder", path);
  Path so_far;
  for (const auto& part : path) {
    so_far /= part;
    const auto place = disk_.tree_.find(so_far, true);
    if (place.error != 0) throw errno_error(place.error, path, kWhat);
    if (place.node != nullptr && place.node->kind != Node::Kind::folder) throw errno_error(ENOTDIR, path, kWhat);
    if (place.node != nullptr) continue;
    if (disk_.options().read_only) throw errno_error(EROFS, path, kWhat);
    check_changeable(place, path, kWhat);
    disk_.tree_.make(place, Node::Kind::folder);
  }
}

std::vector<std::string> FilesOfProcess::list(const Path& folder) {
  constexpr auto kWhat = "it could not be listed";
  begin(Disk::Access::look, "list", folder);
  const auto place = existing(folder, true, kWhat);
  if (place.node->kind != Node::Kind::folder) throw errno_error(ENOTDIR, folder, kWhat);
  if (!place.node->may_read()) throw errno_error(EACCES, folder, kWhat);
  std::vector<std::string> names;
  for (const auto& [name, node] : place.node->names) names.push_back(name);
  return names;
}

void FilesOfProcess::create_symlink(const Path& target, const Path& link) {
  constexpr auto kWhat = "the symlink could not be made";
  begin(Disk::Access::change, "make symlink", link, target.native());
  const auto place = disk_.tree_.find(link, false);
  if (place.node != nullptr) throw errno_error(EEXIST, link, kWhat);
  check_changeable(place, link, kWhat);
  disk_.tree_.make(place, Node::Kind::symlink)->target = target;
}

Path FilesOfProcess::read_symlink(const Path& link) {
  constexpr auto kWhat = "it could not be read as a symlink";
  begin(Disk::Access::look, "read symlink", link);
  const auto place = existing(link, false, kWhat);
  if (place.node->kind != Node::Kind::symlink) throw errno_error(EINVAL, link, kWhat);
  return place.node->target;
}

void FilesOfProcess::set_mode(const Path& path, unsigned permissions) {
  begin(Disk::Access::change, "change mode of", path, std::to_string(permissions));
  const auto place = existing(path, true, "its permissions could not be changed");
  place.node->permissions = permissions;
  Tree::touch(*place.node);
}

void FilesOfProcess::sync_folder(const Path& folder) {
  begin(Disk::Access::sync, "sync folder", folder);
  const auto place = existing(folder, true, "the folder could not be opened");
  if (place.node->kind != Node::Kind::folder) throw errno_error(ENOTDIR, folder, "the folder could not be opened");
  if (disk_.sync_fails()) throw errno_error(EIO, folder, "the folder could not be made durable");
  disk_.tree_.sync(*place.node);
}

std::unique_ptr<base::Watch> FilesOfProcess::watch(const Path& path) {
  begin(Disk::Access::look, "watch", path);
  auto place = existing(path, false, "it cannot be watched");
  if (place.node->kind == Node::Kind::folder) {
    return std::make_unique<WatchOnDisk>(*this, std::move(place.node), std::string(), path);
  }
  return std::make_unique<WatchOnDisk>(*this, std::move(place.folder), std::move(place.name), path);
}

}  // namespace tidelock::world
