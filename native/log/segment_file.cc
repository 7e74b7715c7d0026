#include "log/segment_file.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bedplate::log {
namespace {

// What one step of preallocation writes.
constexpr uint64_t kFillBytes = uint64_t{256} << 10;
constexpr std::array<uint8_t, kFillBytes> kZeros{};

}  // namespace

Status SegmentFile::Create(const Plan& plan, std::shared_ptr<SegmentFile>* segment) {
  const std::string path = vfs::JoinPath(plan.directory, PreparedName(plan.number));
  std::unique_ptr<vfs::File> file;
  Status status = plan.disk->Open(path, vfs::OpenMode::kCreate, &file);
  if (status.Is(ErrorCode::kAlreadyExists)) {
    RemoveFile(plan.disk, path);  // it could not be removed when it was dropped
    status = plan.disk->Open(path, vfs::OpenMode::kCreate, &file);
  }
  if (status.ok()) segment->reset(new SegmentFile(plan, std::move(file), 0));
  return status;
}

Status SegmentFile::Recycle(const Plan& plan, const std::string& name, Space space,
                            std::shared_ptr<SegmentFile>* segment) {
  const std::string old = vfs::JoinPath(plan.directory, name);
  const std::string path = vfs::JoinPath(plan.directory, PreparedName(plan.number));
  std::unique_ptr<vfs::File> file;
  Status status = plan.disk->Open(old, vfs::OpenMode::kWrite, &file);
  uint64_t size = 0;
  if (status.ok()) status = file->Size(&size);
  if (!status.ok()) return status;
  segment->reset();
  if (size < plan.size_bytes) return status;
  if (path != old) status = plan.disk->Rename(old, path);
  if (!status.ok()) return status;
  const uint64_t filled_bytes = space == Space::kDurable ? plan.size_bytes : 0;
  segment->reset(new SegmentFile(plan, std::move(file), filled_bytes));
  return status;
}

SegmentFile::SegmentFile(const Plan& plan, std::unique_ptr<vfs::File> file, uint64_t filled_bytes)
    : disk_(plan.disk),
      directory_(plan.directory),
      number_(plan.number),
      size_bytes_(plan.size_bytes),
      file_(std::move(file)),
      filled_bytes_(filled_bytes) {}

Status SegmentFile::FillSome() {
  const uint64_t count = std::min(kFillBytes, size_bytes_ - filled_bytes_);
  Status status = file_->Write(Bytes(kZeros).first(count), filled_bytes_);
  if (status.ok()) filled_bytes_ += count;
  return status;
}

Status SegmentFile::WriteHeader(const SegmentHeader& header, const Uuid& uuid) {
  return file_->Write(EncodeSegmentHeader(header, uuid), 0);
}

Status SegmentFile::WriteFrame(Bytes frame) {
  const uint64_t offset = next_frame_offset();
  Status status = file_->Write(frame, offset);
  if (!status.ok()) return status;
  end_ = offset + frame.size();
  alignment_ = kFrameAlignmentBytes;
  return status;
}

Status SegmentFile::Publish() {
  return disk_->Rename(vfs::JoinPath(directory_, PreparedName(number_)),
                       vfs::JoinPath(directory_, SegmentName(number_)));
}

void SegmentFile::Drop() { RemoveFile(disk_, vfs::JoinPath(directory_, PreparedName(number_))); }

bool SegmentFile::CanShrink(uint64_t kept_bytes) const {
  return std::max(used_bytes(), kept_bytes) < size_bytes_;
}

Status SegmentFile::Shrink(uint64_t kept_bytes) {
  return file_->Truncate(std::max(used_bytes(), kept_bytes));
}

void RemoveFile(vfs::Disk* disk, const std::string& path) {
  (void)disk->Unlink(path);  // Nothing depends on its absence.
}

}  // namespace bedplate::log
