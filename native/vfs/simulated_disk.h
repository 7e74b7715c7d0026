// A disk in memory that remembers everything that happened to it, so that a workload is run once
// and its power cuts are tried afterwards, at every point and in many ways. What is modelled and
// what not: docs/decisions/0003-simulated-disk.md.
//
//   SimulatedDisk disk;
//   ... run the engine on it, noting history_length() whenever it acknowledges something ...
//   for (size_t point = 0; point <= disk.history_length(); point++) {
//     for (const CrashVariant variant : kCrashVariants) {
//       DiskImage image;
//       ... disk.CrashImage(point, variant, &random, &image) ...
//       SimulatedDisk after({.image = image});
//       ... open the engine on it: everything acknowledged before `point` must be there ...
//     }
//   }
#ifndef BEDPLATE_VFS_SIMULATED_DISK_H_
#define BEDPLATE_VFS_SIMULATED_DISK_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/status.h"
#include "vfs/crash_image.h"
#include "vfs/disk.h"
#include "vfs/disk_faults.h"
#include "vfs/disk_history.h"
#include "vfs/disk_image.h"

namespace bedplate::vfs {

struct SimulatedDiskOptions {
  // What is on it, all durable.
  DiskImage image = {};
  Medium medium = {};
  // Space for file contents, used in chunks of 4 KiB; names and holes are free.
  uint64_t capacity_bytes = std::numeric_limits<uint64_t>::max();
};

// A sync, as a predicate of `IgnoreSyncs` sees it.
struct SyncCall {
  const std::string& path;
  bool of_directory;
  // Which sync of this disk it is, counted from 1.
  uint64_t nth;
};

// A disk in memory that can be crashed. Failures look like the real disk's. Any thread may use it;
// it must outlive its files and locks.
class SimulatedDisk final : public Disk {
 public:
  explicit SimulatedDisk(const SimulatedDiskOptions& options = {});
  ~SimulatedDisk() override;

  Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status KindOf(const std::string& path, Kind* kind) override;
  Status List(const std::string& directory, std::vector<std::string>* names) override;
  Status MakeDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;
  // The lock lives in memory: a crash ends it.
  Status TakeLock(const std::string& directory, LockKind kind,
                  std::unique_ptr<Lock>* lock) override;

  // How many effects have happened. A crash point is between 0 and this: the effects before it
  // happened, the others did not.
  [[nodiscard]] size_t history_length() const;
  // In words, the effect with this index; "forgotten" where the history was trimmed.
  [[nodiscard]] std::string DescribeEffectAt(size_t index) const;
  // True if a sync before `point` failed so that what it was to cover is lost for good.
  [[nodiscard]] bool HasDroppedBefore(size_t point) const;
  // What a power cut leaves when it strikes at `point`. Rising points are cheapest. The same
  // history, point, variant and random numbers give the same image. INVALID_INPUT for a point that
  // there is not, or that was trimmed.
  Status CrashImage(size_t point, CrashVariant variant, SeededRandom* random, DiskImage* image);
  // What is there now, synced or not: what a killed process leaves.
  [[nodiscard]] DiskImage CurrentImage() const;
  // Forgets the past, to save memory in long runs: crash points before now are no longer there.
  void TrimHistory();

  // Makes the n-th matching call fail.
  std::shared_ptr<PlannedFault> FailAt(FaultSpec spec);
  // Plants a bug or a lying disk: syncs that match report success and make nothing durable, until
  // `matches` is replaced by null. Gives a count of the syncs it struck so far.
  void IgnoreSyncs(std::function<bool(const SyncCall&)> matches);
  [[nodiscard]] uint64_t ignored_syncs() const;

  // From now on syncs of files that begin wait before they end, until `ReleaseSyncs`; directories
  // do not.
  void HoldSyncs();
  void ReleaseSyncs();
  // Waits until so many syncs wait.
  void AwaitHeldSyncs(size_t count);

  // For leak checks: 0 when everything was given back.
  [[nodiscard]] size_t open_files() const;
  [[nodiscard]] size_t held_locks() const;
  // Space in use; a file without a name uses space while it is open.
  [[nodiscard]] uint64_t used_bytes() const;

 private:
  class SimulatedFile;
  class SimulatedLock;
  struct Node;
  struct Place;

  void Load(const DiskImage& image);
  Node* LoadDirectory(const std::vector<std::string>& parts);
  void Record(Effect effect);
  // What a planned fault makes of this call.
  Status MayFail(DiskOperation operation, const std::string& path);

  [[nodiscard]] Node* Find(const std::vector<std::string>& parts) const;
  Status FindDirectory(const char* action, const std::string& path, Node** directory) const;
  Status LookUp(const char* action, const std::string& path, Place* place) const;

  Status Write(const std::string& path, Node* file, Bytes bytes, uint64_t position);
  size_t WriteWhatFits(const std::string& path, Node* file, Bytes bytes, uint64_t position);
  void LoseName(const std::shared_ptr<Node>& file);
  void Sweep(Node* file);

  Status SyncNode(const std::string& path, Inode inode, bool of_directory);
  SyncOutcome OutcomeOf(const SyncCall& call, const FaultSpec* fault);
  Status StateAt(size_t point, const DurableState** state);

  const Medium medium_;
  const uint64_t capacity_bytes_;

  // Guards everything below.
  mutable std::mutex mutex_;
  std::shared_ptr<Node> root_;
  Inode next_inode_ = kRoot;
  uint64_t used_bytes_ = 0;
  size_t open_files_ = 0;
  size_t held_locks_ = 0;

  FaultPlan faults_;
  std::function<bool(const SyncCall&)> ignores_;
  uint64_t ignored_syncs_ = 0;
  uint64_t sync_count_ = 0;
  bool holds_syncs_ = false;
  size_t held_syncs_ = 0;
  std::condition_variable syncs_changed_;

  // Null where it was trimmed.
  std::vector<std::shared_ptr<const Effect>> history_;
  // States to start from when a crash point lies behind the last one, by rising point; and the one
  // that moves on.
  std::vector<DurableState> checkpoints_;
  DurableState cursor_;
};

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_SIMULATED_DISK_H_
