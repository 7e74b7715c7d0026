#include "vfs/real_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "vfs/descriptor.h"
#include "vfs/disk_errors.h"
#include "vfs/real_lock.h"

namespace bedplate::vfs {
namespace {

constexpr mode_t kFilePermissions = 0666;
constexpr mode_t kDirectoryPermissions = 0777;

int FlagsOf(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

int SyncDescriptor(int descriptor) {
#if defined(__APPLE__)
  if (RetryInterrupted([&] { return ::fcntl(descriptor, F_FULLFSYNC); }) == 0) return 0;
  return RetryInterrupted([&] { return ::fsync(descriptor); });
#else
  return RetryInterrupted([&] { return ::fdatasync(descriptor); });
#endif
}

bool IsDirectory(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

class RealFile final : public File {
 public:
  RealFile(std::string path, Descriptor descriptor, bool writable)
      : File(std::move(path)), descriptor_(std::move(descriptor)), writable_(writable) {}

  Status Size(uint64_t* size) const override {
    struct stat found {};
    if (::fstat(descriptor_.number(), &found) != 0) return Failure("look at");
    *size = static_cast<uint64_t>(found.st_size);
    return Status::Ok();
  }

  Status Read(std::span<uint8_t> target, uint64_t position, size_t* count) const override {
    if (Status status = CheckPosition(path(), position); !status.ok()) return status;
    size_t done = 0;
    while (done < target.size()) {
      const auto offset = static_cast<off_t>(position + done);
      const std::span<uint8_t> rest = target.subspan(done);
      const ssize_t got = RetryInterrupted(
          [&] { return ::pread(descriptor_.number(), rest.data(), rest.size(), offset); });
      if (got < 0) return Failure("read");
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    *count = done;
    return Status::Ok();
  }

  Status Write(Bytes bytes, uint64_t position) override {
    if (Status status = CheckWritable(position); !status.ok()) return status;
    // write(2) may take less than all, for instance just before the disk is full: the next call
    // then says why.
    for (size_t done = 0; done < bytes.size();) {
      const auto offset = static_cast<off_t>(position + done);
      const Bytes rest = bytes.subspan(done);
      const ssize_t took = RetryInterrupted(
          [&] { return ::pwrite(descriptor_.number(), rest.data(), rest.size(), offset); });
      if (took < 0) return Failure("write");
      if (took == 0) return Status::System("write", path(), EIO);
      done += static_cast<size_t>(took);
    }
    return Status::Ok();
  }

  Status Truncate(uint64_t size) override {
    if (Status status = CheckWritable(size); !status.ok()) return status;
    const auto length = static_cast<off_t>(size);
    const int result = RetryInterrupted([&] { return ::ftruncate(descriptor_.number(), length); });
    return result == 0 ? Status::Ok() : Failure("truncate");
  }

  Status Sync() override {
    return SyncDescriptor(descriptor_.number()) == 0 ? Status::Ok() : Failure("sync");
  }

 private:
  [[nodiscard]] Status Failure(const char* action) const {
    return Status::System(action, path(), errno);
  }

  [[nodiscard]] Status CheckWritable(uint64_t position) const {
    return writable_ ? CheckPosition(path(), position) : ReadOnlyError(path());
  }

  const Descriptor descriptor_;
  const bool writable_;
};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Some network and user-space file systems refuse to sync directories at all; there is nothing
// better to do.
bool IsUnsyncable(int error) { return error == EINVAL || error == ENOTSUP; }

}  // namespace

Status RealDisk::Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  const char* action = mode == OpenMode::kCreate ? "create" : "open";
  Descriptor descriptor(RetryInterrupted(
      [&] { return ::open(path.c_str(), FlagsOf(mode) | O_CLOEXEC, kFilePermissions); }));
  if (!descriptor.is_open()) return Status::System(action, path, errno);
  if (mode == OpenMode::kRead) {
    // A directory opens for reading without complaint; only its reads fail, far from the mistake.
    struct stat found {};
    if (::fstat(descriptor.number(), &found) != 0) return Status::System(action, path, errno);
    if (S_ISDIR(found.st_mode)) return Status::System(action, path, EISDIR);
  }
  *file = std::make_unique<RealFile>(path, std::move(descriptor), mode != OpenMode::kRead);
  return Status::Ok();
}

Status RealDisk::KindOf(const std::string& path, Kind* kind) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0) {
    *kind = S_ISDIR(found.st_mode) ? Kind::kDirectory : Kind::kFile;
    return Status::Ok();
  }
  if (errno != ENOENT && errno != ENOTDIR) return Status::System("look at", path, errno);
  *kind = Kind::kAbsent;
  return Status::Ok();
}

Status RealDisk::List(const std::string& directory, std::vector<std::string>* names) {
  const std::unique_ptr<DIR, CloseDirectory> stream(::opendir(directory.c_str()));
  if (stream == nullptr) return Status::System("list", directory, errno);
  std::vector<std::string> found;
  while (true) {
    errno = 0;
    // Safe: the stream is this call's alone.
    const dirent* entry = ::readdir(stream.get());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") found.emplace_back(name);
  }
  if (errno != 0) return Status::System("list", directory, errno);
  std::sort(found.begin(), found.end());
  *names = std::move(found);
  return Status::Ok();
}

Status RealDisk::MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryPermissions) == 0) return Status::Ok();
  return Status::System("make the directory", path, errno);
}

Status RealDisk::Rename(const std::string& from, const std::string& to) {
  const std::string both = from + " to " + to;
  struct stat source {};
  // A missing source is the first thing to say.
  if (::lstat(from.c_str(), &source) != 0) return Status::System("rename", both, errno);
  // rename(2) would replace an empty directory; our contract replaces files only.
  if (from != to && IsDirectory(to)) return Status::System("rename", both, EEXIST);
  if (std::rename(from.c_str(), to.c_str()) == 0) return Status::Ok();
  return Status::System("rename", both, errno);
}

Status RealDisk::Unlink(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return Status::Ok();
  const int error = errno;
  // Linux says EISDIR, macOS EPERM.
  if (error == EPERM && IsDirectory(path)) return Status::System("remove", path, EISDIR);
  return Status::System("remove", path, error);
}

Status RealDisk::RemoveDirectory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0) return Status::Ok();
  return Status::System("remove the directory", path, errno);
}

Status RealDisk::SyncDirectory(const std::string& directory) {
  const Descriptor descriptor(RetryInterrupted(
      [&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!descriptor.is_open()) return Status::System("open", directory, errno);
  if (RetryInterrupted([&] { return ::fsync(descriptor.number()); }) == 0) return Status::Ok();
  if (IsUnsyncable(errno)) return Status::Ok();
  return Status::System("sync the directory", directory, errno);
}

Status RealDisk::TakeLock(const std::string& directory, LockKind kind,
                          std::unique_ptr<Lock>* lock) {
  return LockDirectory(directory, kind, lock);
}

}  // namespace bedplate::vfs
