#include "lsm/open_files.h"

#include <iterator>
#include <utility>

namespace bedplate::lsm {

OpenFiles::OpenFiles(vfs::Disk* disk, std::string path, size_t max_open_files)
    : disk_(disk), path_(std::move(path)), max_open_files_(max_open_files) {}

Status OpenFiles::Get(const TableInfo& info, std::shared_ptr<vfs::File>* file) {
  {
    const std::lock_guard lock(mutex_);
    if (Find(info, file)) return Status::Ok();
    if (!is_open_) return Closed();
  }
  // Without the mutex, so that nobody waits for the disk who needs it not.
  std::shared_ptr<vfs::File> opened;
  if (Status status = Open(info, &opened); !status.ok()) return status;
  std::list<Opened> dropped;  // and closed without it, too
  const std::lock_guard lock(mutex_);
  if (!is_open_) return Closed();
  if (Find(info, file)) return Status::Ok();
  while (files_.size() >= max_open_files_) {
    places_.erase(files_.front().number);
    dropped.splice(dropped.end(), files_, files_.begin());
  }
  *file = opened;
  files_.push_back({info.number, std::move(opened)});
  places_[info.number] = std::prev(files_.end());
  return Status::Ok();
}

// With the mutex held. False if it is not here.
bool OpenFiles::Find(const TableInfo& info, std::shared_ptr<vfs::File>* file) {
  const auto found = places_.find(info.number);
  if (found == places_.end()) return false;
  files_.splice(files_.end(), files_, found->second);
  *file = found->second->file;
  return true;
}

void OpenFiles::Forget(const TableInfo& info) {
  std::list<Opened> dropped;
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(info.number);
  if (found == places_.end()) return;
  dropped.splice(dropped.end(), files_, found->second);
  places_.erase(found);
}

void OpenFiles::Close() {
  std::list<Opened> dropped;
  const std::lock_guard lock(mutex_);
  is_open_ = false;
  dropped.swap(files_);
  places_.clear();
}

std::string OpenFiles::PathOf(const TableInfo& info) const {
  return vfs::JoinPath(path_, TableName(info.number));
}

size_t OpenFiles::count() const {
  const std::lock_guard lock(mutex_);
  return files_.size();
}

Status OpenFiles::Closed() const {
  return Status::Error(ErrorCode::kClosed, "the store " + path_ + " is closed");
}

Status OpenFiles::Open(const TableInfo& info, std::shared_ptr<vfs::File>* file) const {
  std::unique_ptr<vfs::File> opened;
  Status status = disk_->Open(PathOf(info), vfs::OpenMode::kRead, &opened);
  uint64_t bytes = 0;
  if (status.ok()) status = opened->Size(&bytes);
  if (!status.ok()) return status;
  if (bytes != info.file_bytes) {
    return Status::Error(ErrorCode::kCorruption,
                         opened->path() + " has " + std::to_string(bytes) + " bytes, and had " +
                             std::to_string(info.file_bytes) + " when it was written",
                         "restore a backup");
  }
  *file = std::move(opened);
  return Status::Ok();
}

}  // namespace bedplate::lsm
