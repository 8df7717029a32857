#include "tidelock/world/tree.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace tidelock::world {
namespace {

Tree::Place nowhere(int error) { return {nullptr, {}, nullptr, error}; }

void make_change(Node::Names& names, const Node::NameChange& change) {
  for (const auto& [name, node] : change.names) {
    if (node == nullptr) {
      names.erase(name);
    } else {
      names[name] = node;
    }
  }
}

}  // namespace

Tree::Tree(Space& space) : space_(space), root_(std::make_shared<Node>(Node::Kind::folder, kRootInode, space)) {}

// A folder may hold another that holds it: one of them as of the last sync.
Tree::~Tree() {
  std::vector<NodePtr> nodes{root_};
  const auto take = [&](Node::Names& names) {
    for (auto& [name, node] : names) {
      if (node != nullptr) nodes.push_back(std::move(node));
    }
    names.clear();
  };
  while (!nodes.empty()) {
    const auto node = std::move(nodes.back());
    nodes.pop_back();
    take(node->names);
    take(node->names_on_disk);
    for (auto& change : node->unsynced) take(change.names);
  }
}

Tree::Place Tree::find(const base::Path& path, bool follow_last) {
  if (path.empty()) return nowhere(ENOENT);
  return walk(root_, path, follow_last, kSymlinksMax);
}

// Relative paths start at the root: every process works there.
Tree::Place Tree::walk(NodePtr folder, const base::Path& path, bool follow_last, int symlinks_left) {
  Place place{nullptr, {}, path.is_absolute() ? root_ : std::move(folder), 0};
  const auto relative = path.relative_path();
  for (auto part = relative.begin(); part != relative.end(); ++part) {
    const bool last = std::next(part) == relative.end();
    if (place.node == nullptr) return nowhere(ENOENT);
    if (place.node->kind != Node::Kind::folder) return nowhere(ENOTDIR);
    if (part->empty() || *part == ".") continue;
    if (*part == "..") {
      if (auto parent = place.node->parent.lock()) place = {nullptr, {}, std::move(parent), 0};
      continue;
    }
    auto within = place.node;
    const auto found = within->names.find(part->native());
    place = {within, part->native(), found == within->names.end() ? nullptr : found->second, 0};
    if (place.node != nullptr && place.node->kind == Node::Kind::symlink && (!last || follow_last)) {
      if (symlinks_left == 0) return nowhere(ELOOP);
      place = walk(within, place.node->target, true, symlinks_left - 1);
      if (place.error != 0) return place;
    }
  }
  return place;
}

Tree::NodePtr Tree::make(const Place& place, Node::Kind kind) {
  auto node = std::make_shared<Node>(kind, next_inode_++, space_);
  node->parent = place.folder;
  node->name = place.name;
  change(place.folder, {{place.name, node}});
  touch(*node);
  return node;
}

void Tree::remove(const Place& place) {
  touch(*place.node);
  place.node->parent.reset();
  change(place.folder, {{place.name, nullptr}});
}

void Tree::rename(const Place& from, const Place& to) {
  if (from.node == to.node) return;
  if (to.node != nullptr) {
    touch(*to.node);
    to.node->parent.reset();
  }
  touch(*from.node);
  from.node->parent = to.folder;
  from.node->name = to.name;
  if (from.folder == to.folder) {
    change(from.folder, {{from.name, nullptr}, {to.name, from.node}});
  } else {
    change(from.folder, {{from.name, nullptr}}, to.folder);
    --next_serial_;
    change(to.folder, {{to.name, from.node}}, from.folder);
  }
  touch(*from.node);
}

void Tree::change(const NodePtr& folder, Node::Names names, const NodePtr& other_folder) {
  if (folder->unsynced.empty()) changed_folders_.push_back(folder);
  folder->unsynced.push_back({next_serial_++, std::move(names), other_folder});
  make_change(folder->names, folder->unsynced.back());
  ++folder->change_stamp;
}

void Tree::touch(Node& node) {
  for (auto* watcher : node.watchers) watcher->changed({});
  const auto parent = node.parent.lock();
  if (parent == nullptr) return;
  for (auto* watcher : parent->watchers) watcher->changed(node.name);
}

void Tree::sync(Node& folder) { commit(folder, folder.unsynced.size()); }

void Tree::sync_all() {
  for (const auto& folder : unsynced_folders()) sync(*folder);
}

// The first `count` changes of a folder reach the disk, and with them what other folders must write before.
void Tree::commit(Node& folder, std::size_t count) {
  std::vector<Node::NameChange> done(std::make_move_iterator(folder.unsynced.begin()),
                                     std::make_move_iterator(folder.unsynced.begin() + static_cast<long>(count)));
  folder.unsynced.erase(folder.unsynced.begin(), folder.unsynced.begin() + static_cast<long>(count));
  for (const auto& change : done) {
    make_change(folder.names_on_disk, change);
    const auto other = change.other_folder.lock();
    if (other == nullptr) continue;
    const auto twin = std::find_if(other->unsynced.begin(), other->unsynced.end(),
                                   [&](const auto& candidate) { return candidate.serial == change.serial; });
    if (twin != other->unsynced.end()) commit(*other, static_cast<std::size_t>(twin - other->unsynced.begin()) + 1);
  }
}

std::vector<Tree::NodePtr> Tree::unsynced_folders() {
  std::vector<NodePtr> folders;
  for (const auto& weak : std::exchange(changed_folders_, {})) {
    if (auto folder = weak.lock(); folder != nullptr && !folder->unsynced.empty()) folders.push_back(std::move(folder));
  }
  return folders;
}

void Tree::cut_power(Loss loss, bool reordered, Random& random) {
  std::set<std::uint64_t> decided;  // Serial numbers of changes in two folders.
  std::set<std::uint64_t> kept;
  const auto folders = unsynced_folders();
  for (const auto& folder : folders) {
    if (loss == Loss::none) sync(*folder);
    if (loss != Loss::mixed) continue;
    if (!reordered) {
      commit(*folder, random.below(static_cast<std::uint32_t>(folder->unsynced.size()) + 1));
      continue;
    }
    for (const auto& change : folder->unsynced) {
      if (decided.insert(change.serial).second && random.below(2) == 0) kept.insert(change.serial);
      if (kept.contains(change.serial)) make_change(folder->names_on_disk, change);
    }
  }
  for (const auto& folder : folders) folder->unsynced.clear();
  reset(root_, loss, random);
}

// What the disk holds is what there is.
void Tree::reset(const NodePtr& folder, Loss loss, Random& random) {
  folder->names = folder->names_on_disk;
  ++folder->change_stamp;
  for (const auto& [name, node] : folder->names) {
    node->parent = folder;
    node->name = name;
    if (node->kind == Node::Kind::file) node->content.cut_power(loss, random);
    if (node->kind == Node::Kind::folder) reset(node, loss, random);
  }
}

}  // namespace tidelock::world
