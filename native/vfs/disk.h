// The disk as every native engine sees it: real (real_disk.h) or simulated (simulated_disk.h).
// The contract is that of ts/io/disk.ts; here every call blocks, and any thread may make it.
#ifndef BEDPLATE_VFS_DISK_H_
#define BEDPLATE_VFS_DISK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/status.h"

namespace bedplate::vfs {

enum class OpenMode {
  kRead,    // must exist; writes fail with READ_ONLY
  kWrite,   // must exist; for reading and writing
  kCreate,  // must not exist; made empty, for reading and writing
};

enum class Kind { kAbsent, kFile, kDirectory };

enum class LockKind { kWriter, kReader };

// An open file; closed by its destructor, which does not sync. Positions and sizes are bytes.
class File {
 public:
  explicit File(std::string path) : path_(std::move(path)) {}
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // The path it was opened by; for messages.
  [[nodiscard]] const std::string& path() const { return path_; }

  virtual Status Size(uint64_t* size) const = 0;
  // Reads from `position`. `*count` is less than target.size() only at the end of the file.
  virtual Status Read(std::span<uint8_t> target, uint64_t position, size_t* count) const = 0;
  // Writes all of `bytes` at `position`, growing the file if needed (a gap reads as zeros). A write
  // that fails may have written some of its bytes.
  virtual Status Write(Bytes bytes, uint64_t position) = 0;
  // Cuts or grows (with zeros) the file.
  virtual Status Truncate(uint64_t size) = 0;
  // Makes bytes and size durable. After a failure nothing is known of the unsynced bytes.
  virtual Status Sync() = 0;

 private:
  const std::string path_;
};

// A held lock; given back by its destructor.
class Lock {
 public:
  Lock() = default;
  virtual ~Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) = 0;
  virtual Status KindOf(const std::string& path, Kind* kind) = 0;
  // The names (not paths) in a directory, sorted.
  virtual Status List(const std::string& directory, std::vector<std::string>* names) = 0;
  virtual Status MakeDirectory(const std::string& path) = 0;
  // Atomically gives `from` the name `to`, replacing a file (not a directory) that has it.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // Removes a file. An open handle to it keeps working.
  virtual Status Unlink(const std::string& path) = 0;
  virtual Status RemoveDirectory(const std::string& path) = 0;
  // Makes the names in `directory` durable.
  virtual Status SyncDirectory(const std::string& directory) = 0;
  // Takes the lock of a store directory without waiting; LOCKED names the holder. A held lock may
  // show as names that start with `LOCK`; they are the disk's own business.
  virtual Status TakeLock(const std::string& directory, LockKind kind,
                          std::unique_ptr<Lock>* lock) = 0;
};

// `name` in `directory`.
[[nodiscard]] inline std::string JoinPath(const std::string& directory, const std::string& name) {
  return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_DISK_H_
