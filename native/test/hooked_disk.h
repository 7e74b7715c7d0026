// A disk that lets something else happen while it syncs or reads: so that one thread can do what
// otherwise takes two, and what it does follows from its seed.
#ifndef BEDPLATE_TEST_HOOKED_DISK_H_
#define BEDPLATE_TEST_HOOKED_DISK_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vfs/disk.h"

namespace bedplate {

class HookedDisk final : public vfs::Disk {
 public:
  using Hook = std::function<void(const std::string& path)>;

  // `disk` must outlive it. `on_sync` is called before and after every sync of a file, `on_read`
  // before every read.
  HookedDisk(
      vfs::Disk* disk, Hook on_sync, Hook on_read = [](const std::string&) {})
      : disk_(disk), on_sync_(std::move(on_sync)), on_read_(std::move(on_read)) {}

  Status Open(const std::string& path, vfs::OpenMode mode,
              std::unique_ptr<vfs::File>* file) override {
    std::unique_ptr<vfs::File> opened;
    Status status = disk_->Open(path, mode, &opened);
    if (status.ok()) *file = std::make_unique<HookedFile>(std::move(opened), this);
    return status;
  }
  Status KindOf(const std::string& path, vfs::Kind* kind) override {
    return disk_->KindOf(path, kind);
  }
  Status List(const std::string& directory, std::vector<std::string>* names) override {
    return disk_->List(directory, names);
  }
  Status MakeDirectory(const std::string& path) override { return disk_->MakeDirectory(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return disk_->Rename(from, to);
  }
  Status Unlink(const std::string& path) override { return disk_->Unlink(path); }
  Status RemoveDirectory(const std::string& path) override { return disk_->RemoveDirectory(path); }
  Status SyncDirectory(const std::string& directory) override {
    return disk_->SyncDirectory(directory);
  }
  Status TakeLock(const std::string& directory, vfs::LockKind kind,
                  std::unique_ptr<vfs::Lock>* lock) override {
    return disk_->TakeLock(directory, kind, lock);
  }

 private:
  class HookedFile final : public vfs::File {
   public:
    HookedFile(std::unique_ptr<vfs::File> file, const HookedDisk* disk)
        : File(file->path()), file_(std::move(file)), disk_(*disk) {}

    Status Size(uint64_t* size) const override { return file_->Size(size); }
    Status Read(std::span<uint8_t> target, uint64_t position, size_t* count) const override {
      disk_.on_read_(path());
      return file_->Read(target, position, count);
    }
    Status Write(Bytes bytes, uint64_t position) override { return file_->Write(bytes, position); }
    Status Truncate(uint64_t size) override { return file_->Truncate(size); }
    Status Sync() override {
      disk_.on_sync_(path());
      Status status = file_->Sync();
      disk_.on_sync_(path());
      return status;
    }

   private:
    const std::unique_ptr<vfs::File> file_;
    const HookedDisk& disk_;
  };

  vfs::Disk* const disk_;
  const Hook on_sync_;
  const Hook on_read_;
};

}  // namespace bedplate

#endif  // BEDPLATE_TEST_HOOKED_DISK_H_
