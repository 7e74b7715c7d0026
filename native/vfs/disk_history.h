// What happened to a simulated disk, effect by effect, and what of it is certain to survive a
// crash. The model is that of ts/io/disk-history.ts; docs/decisions/0003-simulated-disk.md says
// why.
#ifndef BEDPLATE_VFS_DISK_HISTORY_H_
#define BEDPLATE_VFS_DISK_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/bytes.h"
#include "vfs/file_bytes.h"

namespace bedplate::vfs {

// The number of a file or directory; names point to it.
using Inode = uint64_t;

// The root directory.
inline constexpr Inode kRoot = 1;

struct WriteEffect {
  std::string path;
  Inode inode;
  uint64_t position;
  std::vector<uint8_t> bytes;
};

struct TruncateEffect {
  std::string path;
  Inode inode;
  uint64_t size;
};

// `name` in `directory` now stands for `inode`. An inode has one name: giving a new one takes the
// old one away, so a rename is one of these.
struct LinkEffect {
  enum class Action { kCreate, kMakeDirectory, kRename };
  Action action;
  std::string path;
  Inode directory;
  std::string name;
  Inode inode;
};

// `name` in `directory` now stands for nothing.
struct UnlinkEffect {
  std::string path;
  Inode directory;
  std::string name;
};

// The two sides of a sync of a file or a directory. Between them nothing it covers is certain yet,
// and what is written between them is not covered.
struct SyncBeginEffect {
  std::string path;
  Inode inode;
  uint64_t sync;
};

enum class SyncOutcome {
  kDurable,  // all effects on the inode before the begin survive
  kIgnored,  // it did nothing (a lying disk, or a planted bug); a later sync still can
  kFailed,   // it failed, and the effects stay as uncertain as they were
  kDropped,  // it failed, and the page cache forgot that they were never written
};

struct SyncEndEffect {
  std::string path;
  Inode inode;
  uint64_t sync;
  SyncOutcome outcome;
};

using Effect = std::variant<WriteEffect, TruncateEffect, LinkEffect, UnlinkEffect, SyncBeginEffect,
                            SyncEndEffect>;

// Says in a few words what an effect is: for reports on the crash point that broke something.
[[nodiscard]] std::string DescribeEffect(const Effect& effect);

// An effect that a crash may undo, with its place in the history.
struct PendingEffect {
  size_t index;
  std::shared_ptr<const Effect> effect;
};

// A file: the bytes that are certain and the changes that are not.
struct DurableFile {
  FileBytes bytes;
  std::vector<PendingEffect> pending;
};

using Names = std::map<std::string, Inode>;

// Where an inode has its name.
struct NamePlace {
  Inode directory;
  std::string name;
};

// Names of directories, and where each inode has its own.
class NameTable {
 public:
  // Gives a name; the inode loses the one it had, and so does what had this one.
  void Link(Inode directory, const std::string& name, Inode inode);
  // Takes a name away, if it is there.
  void Unlink(Inode directory, const std::string& name);

  [[nodiscard]] const std::map<Inode, Names>& directories() const { return directories_; }
  [[nodiscard]] const Names& NamesIn(Inode directory) const;
  // Null if the inode has no name.
  [[nodiscard]] const NamePlace* PlaceOf(Inode inode) const;

 private:
  std::map<Inode, Names> directories_;
  std::map<Inode, NamePlace> place_of_;
};

// The certain and the uncertain at one point of a history; moves forward effect by effect.
//
// Invariant: the pending effects of an inode are those since the begin of its last durable sync
// (less the dropped ones), in order. So a sync makes a prefix of them durable.
class DurableState {
 public:
  // How many effects of the history are in this state.
  [[nodiscard]] size_t point() const { return point_; }
  [[nodiscard]] const std::map<Inode, DurableFile>& files() const { return files_; }
  [[nodiscard]] const NameTable& names() const { return names_; }
  // The naming effects that a crash may undo, of all directories, in the order they happened.
  [[nodiscard]] std::vector<PendingEffect> PendingNames() const;

  // What the disk starts from; all of it is durable.
  void AddFile(Inode inode, FileBytes bytes);
  void AddDirectory(Inode inode);
  void Link(Inode directory, const std::string& name, Inode inode);

  // Takes in the next effect of the history.
  void Apply(const std::shared_ptr<const Effect>& effect);

 private:
  void ApplyLink(const LinkEffect& link);
  void EndSync(const SyncEndEffect& end);
  void MakeNameDurable(const PendingEffect& pending);
  // Says whether the inode's name has since become durable in another directory.
  [[nodiscard]] bool IsOutdated(const PendingEffect& pending) const;

  size_t point_ = 0;
  std::map<Inode, DurableFile> files_;
  std::map<Inode, std::vector<PendingEffect>> directories_;
  NameTable names_;
  // The place in the history of the newest durable naming of an inode: older pending ones must not
  // undo it.
  std::map<Inode, size_t> named_at_;
  // Running syncs, and how much of the history each covers.
  std::map<uint64_t, size_t> covered_;
};

// Does to `bytes` what the write or truncate did to the file.
void ApplyToBytes(FileBytes* bytes, const Effect& effect);

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_DISK_HISTORY_H_
