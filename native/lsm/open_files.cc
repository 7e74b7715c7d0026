#include "lsm/open_files.h"

#include <utility>

namespace bedplate::lsm {

OpenFiles::OpenFiles(vfs::Disk* disk, std::string path, size_t max_open_files)
    : disk_(disk), path_(std::move(path)), max_open_files_(max_open_files) {}

Status OpenFiles::Get(const TableInfo& info, std::shared_ptr<vfs::File>* file) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(info.number);
  if (found != places_.end()) {
    files_.splice(files_.end(), files_, found->second);
    *file = found->second->file;
    return Status::Ok();
  }
  if (!is_open_) {
    return Status::Error(ErrorCode::kClosed, "the store " + path_ + " is closed");
  }
  while (!files_.empty() && files_.size() >= max_open_files_) {
    places_.erase(files_.front().number);
    files_.pop_front();
  }
  if (Status status = Open(info, file); !status.ok()) return status;
  files_.push_back({info.number, *file});
  places_[info.number] = std::prev(files_.end());
  return Status::Ok();
}

void OpenFiles::Forget(const TableInfo& info) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(info.number);
  if (found == places_.end()) return;
  files_.erase(found->second);
  places_.erase(found);
}

void OpenFiles::Close() {
  const std::lock_guard lock(mutex_);
  is_open_ = false;
  files_.clear();
  places_.clear();
}

std::string OpenFiles::PathOf(const TableInfo& info) const {
  return vfs::JoinPath(path_, TableName(info.number));
}

size_t OpenFiles::count() const {
  const std::lock_guard lock(mutex_);
  return files_.size();
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
