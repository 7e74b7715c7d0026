// Planned failures of a simulated disk: the n-th call of a kind fails, once or for ever.
#ifndef BEDPLATE_VFS_DISK_FAULTS_H_
#define BEDPLATE_VFS_DISK_FAULTS_H_

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bedplate::vfs {

// The calls of a disk and its files that can be made to fail.
enum class DiskOperation {
  kOpen,
  kCreate,
  kRead,
  kWrite,
  kTruncate,
  kSync,
  kSyncDirectory,
  kRename,
  kUnlink,
  kMakeDirectory,
  kRemoveDirectory,
  kList,
};

// As in "cannot `...` the path".
[[nodiscard]] const char* NameOf(DiskOperation operation);

// Which call fails, and how.
struct FaultSpec {
  // Any kind of call if left out.
  std::optional<DiskOperation> operation = {};
  // Only calls on paths that hold this.
  std::string path_part = {};
  // The first call to fail, counted from 1 over the calls that match from now on.
  uint64_t nth = 1;
  // EIO, ENOSPC or EACCES: comes out as the real disk's would.
  int error = EIO;
  // Fails all matching calls after the first as well.
  bool forever = false;
  // A failing write first writes half of its bytes.
  bool short_write = false;
  // What a failed sync does to the writes it was to cover. False: Linux marks the pages clean, so
  // reads still show them but no later sync ever writes them. True: they stay unsynced, may survive
  // a crash, and a later sync can write them.
  bool keep_unsynced = false;
};

// A fault in place. May be looked at and cancelled by any thread.
class PlannedFault {
 public:
  explicit PlannedFault(FaultSpec spec) : spec_(std::move(spec)) {}

  // How many calls it has failed so far: 0 means that the test proved nothing.
  [[nodiscard]] uint64_t applied() const { return applied_; }
  // Ends it.
  void Cancel() { is_cancelled_ = true; }

 private:
  friend class FaultPlan;
  [[nodiscard]] bool Hits(DiskOperation operation, const std::string& path);

  const FaultSpec spec_;
  uint64_t seen_ = 0;
  std::atomic<uint64_t> applied_{0};
  std::atomic<bool> is_cancelled_{false};
};

// The faults of one disk, which guards it.
class FaultPlan {
 public:
  std::shared_ptr<PlannedFault> Add(FaultSpec spec);
  // The fault that fails this call, or null. Every fault counts the call. Valid until the next one.
  const FaultSpec* Next(DiskOperation operation, const std::string& path);

 private:
  std::vector<std::shared_ptr<PlannedFault>> faults_;
};

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_DISK_FAULTS_H_
