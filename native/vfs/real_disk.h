// The machine's disk, over POSIX calls.
//
// What a sync means: on Linux fdatasync(2); on macOS fcntl(F_FULLFSYNC), which also empties the
// drive's own cache, where the file system offers it, and else fsync(2). A drive that lies about
// its cache cannot be seen from here.
#ifndef BEDPLATE_VFS_REAL_DISK_H_
#define BEDPLATE_VFS_REAL_DISK_H_

#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::vfs {

class RealDisk final : public Disk {
 public:
  Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status KindOf(const std::string& path, Kind* kind) override;
  Status List(const std::string& directory, std::vector<std::string>* names) override;
  Status MakeDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;
  // Lock files as in ts/io/real-lock.ts; see vfs/real_lock.h.
  Status TakeLock(const std::string& directory, LockKind kind,
                  std::unique_ptr<Lock>* lock) override;
};

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_REAL_DISK_H_
