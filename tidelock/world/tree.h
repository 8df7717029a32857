// Names on a disk: as programs see them, and as they would be found after a power cut. Internal to the Disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidelock/base/files.h"
#include "tidelock/world/file_content.h"
#include "tidelock/world/random.h"
#include "tidelock/world/range_locks.h"

namespace tidelock::world {

// Looks at a folder.
class Watcher {
 public:
  // Something happened to the name in the folder; an empty name: to the folder itself.
  virtual void changed(const std::string& name) = 0;

 protected:
  ~Watcher() = default;
};

// A file, folder or symlink.
struct Node {
  using Kind = base::FileInfo::Kind;
  using Names = std::map<std::string, std::shared_ptr<Node>, std::less<>>;

  // What one call did to the names of a folder: a null node is a name that is gone. A rename from one folder to another
  // is two, of one serial number, which reach the disk together.
  struct NameChange {
    std::uint64_t serial;
    Names names;
    std::weak_ptr<Node> other_folder;
  };

  Node(Kind kind, std::uint64_t inode, Space& space)
      : kind(kind), inode(inode), permissions(kind == Kind::folder ? 0755 : 0644), content(space) {}
  bool may_read() const { return (permissions & 0400) != 0; }
  bool may_write() const { return (permissions & 0200) != 0; }

  const Kind kind;
  const std::uint64_t inode;
  std::uint64_t change_stamp = 0;  // Counts the changes of its content.
  unsigned permissions;
  std::weak_ptr<Node> parent;
  std::string name;  // There.

  FileContent content;
  RangeLocks locks;
  base::Path target;  // Of a symlink.

  Names names;  // Of a folder.
  Names names_on_disk;
  std::vector<NameChange> unsynced;

  std::vector<Watcher*> watchers;
};

class Tree {
 public:
  using NodePtr = std::shared_ptr<Node>;
  static constexpr std::uint64_t kRootInode = 1;

  explicit Tree(Space& space);
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // Where a path leads. The node is null when the name is missing in its folder.
  struct Place {
    NodePtr folder;  // Null for the root, and for what is reached by "." or "..": they have no name to change.
    std::string name;
    NodePtr node;
    int error;  // Why it leads nowhere: an errno value, or 0.
  };
  Place find(const base::Path& path, bool follow_last);

  NodePtr make(const Place& place, Node::Kind kind);
  void remove(const Place& place);
  void rename(const Place& from, const Place& to);
  void sync(Node& folder);
  // Some of the unsynced changes of each folder are kept: the first ones, or when `reordered` any.
  void cut_power(Loss loss, bool reordered, Random& random);
  // As a journal that is full does.
  void sync_all();
  // Tells those who watch the folder it is in.
  static void touch(Node& node);

 private:
  static constexpr int kSymlinksMax = 40;

  Place walk(NodePtr folder, const base::Path& path, bool follow_last, int symlinks_left);
  void change(const NodePtr& folder, Node::Names names, const NodePtr& other_folder = nullptr);
  void commit(Node& folder, std::size_t count);
  void reset(const NodePtr& folder, Loss loss, Random& random);
  std::vector<NodePtr> unsynced_folders();

  Space& space_;
  std::uint64_t next_inode_ = kRootInode + 1;
  std::uint64_t next_serial_ = 1;
  NodePtr root_;
  std::vector<std::weak_ptr<Node>> changed_folders_;
};

}  // namespace tidelock::world
