// The records that will be written by one frame.
#ifndef BEDPLATE_LOG_GROUP_H_
#define BEDPLATE_LOG_GROUP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "core/bytes.h"
#include "core/little_endian.h"
#include "log/frame.h"
#include "log/segment_file.h"

namespace bedplate::log {

// Bytes that are not set before they are written.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size)
      : bytes_(std::make_unique_for_overwrite<uint8_t[]>(size)), size_(size) {}
  Buffer(Buffer&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] uint8_t* data() const { return bytes_.get(); }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
};

// Keeps the buffer of a written group for the next one: two buffers take turns while a frame is
// written and synced.
class BufferPool {
 public:
  [[nodiscard]] Buffer Take() {
    return spare_.size() > 0 ? std::move(spare_) : Buffer(kFirstBufferBytes);
  }
  void GiveBack(Buffer buffer) {
    if (buffer.size() <= kKeptBufferBytes) spare_ = std::move(buffer);
  }

 private:
  // The first size of a group's buffer; it doubles.
  static constexpr size_t kFirstBufferBytes = size_t{64} << 10;
  // A larger buffer is not kept for the next group.
  static constexpr size_t kKeptBufferBytes = size_t{4} << 20;

  Buffer spare_;
};

// A frame in the making.
class Group {
 public:
  // The buffer is used, and replaced by larger ones.
  Group(uint64_t first_record, std::shared_ptr<SegmentFile> segment, Buffer buffer)
      : first_record_(first_record),
        segment_(std::move(segment)),
        planned_start_(AlignUp(segment_->planned_end, kPageBytes)),
        buffer_(std::move(buffer)) {}

  [[nodiscard]] uint64_t first_record() const { return first_record_; }
  [[nodiscard]] uint32_t record_count() const { return record_count_; }
  [[nodiscard]] uint64_t last_record() const { return first_record_ + record_count_ - 1; }
  // Where it will be written.
  [[nodiscard]] const std::shared_ptr<SegmentFile>& segment() const { return segment_; }
  // Where it will end at the latest: how much of what comes before must be padded is not known yet.
  [[nodiscard]] uint64_t planned_end() const { return planned_start_ + frame_bytes_; }
  [[nodiscard]] uint64_t payload_bytes() const { return frame_bytes_ - kFrameHeaderBytes; }

  // Says whether a record of `bytes` finds room in the segment.
  [[nodiscard]] bool Fits(uint64_t bytes) const {
    return planned_end() + kRecordOverheadBytes + bytes <= segment_->room_end();
  }

  // Copies a record.
  void Append(Bytes record) {
    uint8_t* at = Extend(kRecordOverheadBytes + record.size());
    StoreU32(at, static_cast<uint32_t>(record.size()));
    if (!record.empty()) std::memcpy(at + kRecordOverheadBytes, record.data(), record.size());
    record_count_++;
  }

  // Copies a whole payload of `record_count` records.
  void AppendPayload(Bytes payload, uint32_t record_count) {
    uint8_t* at = Extend(payload.size());
    if (!payload.empty()) std::memcpy(at, payload.data(), payload.size());
    record_count_ += record_count;
  }

  // The frame; its header is to be filled in.
  [[nodiscard]] std::span<uint8_t> frame() { return {buffer_.data(), frame_bytes_}; }

  // The frame with zeros behind it up to the next page, so that whole pages are written.
  [[nodiscard]] Bytes PaddedFrame() {
    const size_t size = AlignUp(frame_bytes_, kPageBytes);
    Grow(size);
    std::memset(buffer_.data() + frame_bytes_, 0, size - frame_bytes_);
    return {buffer_.data(), size};
  }

  // Gives up the buffer once the frame is written.
  [[nodiscard]] Buffer TakeBuffer() { return std::move(buffer_); }

 private:
  // Makes room for `bytes` more, and says where.
  uint8_t* Extend(size_t bytes) {
    Grow(frame_bytes_ + bytes);
    uint8_t* at = buffer_.data() + frame_bytes_;
    frame_bytes_ += bytes;
    return at;
  }

  void Grow(size_t bytes) {
    if (bytes <= buffer_.size()) return;
    Buffer larger(std::max(buffer_.size() * 2, AlignUp(bytes, kPageBytes)));
    std::memcpy(larger.data(), buffer_.data(), frame_bytes_);
    buffer_ = std::move(larger);
  }

  const uint64_t first_record_;
  const std::shared_ptr<SegmentFile> segment_;
  const uint64_t planned_start_;
  uint32_t record_count_ = 0;
  // The frame: room for its header, then the payload.
  Buffer buffer_;
  size_t frame_bytes_ = kFrameHeaderBytes;
};

}  // namespace bedplate::log

#endif  // BEDPLATE_LOG_GROUP_H_
