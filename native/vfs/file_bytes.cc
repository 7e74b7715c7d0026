#include "vfs/file_bytes.h"

#include <algorithm>
#include <cstring>

namespace bedplate::vfs {

uint8_t* FileBytes::Chunk::MakeWritable() {
  if (shared_ == nullptr) {
    shared_ = new Shared();
  } else if (shared_->holders.load(std::memory_order_acquire) > 1) {
    auto* own = new Shared();
    own->bytes = shared_->bytes;
    Drop();
    shared_ = own;
  }
  return shared_->bytes.data();
}

uint64_t FileBytes::allocated_bytes() const {
  const auto holes = std::ranges::count_if(chunks_, &Chunk::is_hole);
  return (chunks_.size() - static_cast<size_t>(holes)) * kChunkBytes;
}

uint64_t FileBytes::NewlyAllocatedBy(uint64_t position, uint64_t length) const {
  if (length == 0) return 0;
  uint64_t count = 0;
  const uint64_t last = (position + length - 1) / kChunkBytes;
  for (uint64_t index = position / kChunkBytes; index <= last; index++) {
    if (index >= chunks_.size() || chunks_[index].is_hole()) count++;
  }
  return count * kChunkBytes;
}

size_t FileBytes::Read(std::span<uint8_t> target, uint64_t position) const {
  if (position >= size_) return 0;
  const auto count = static_cast<size_t>(std::min<uint64_t>(target.size(), size_ - position));
  for (size_t done = 0; done < count;) {
    const uint64_t index = (position + done) / kChunkBytes;
    const size_t offset = (position + done) % kChunkBytes;
    const size_t length = std::min<size_t>(kChunkBytes - offset, count - done);
    if (index >= chunks_.size() || chunks_[index].is_hole()) {
      std::memset(&target[done], 0, length);
    } else {
      std::memcpy(&target[done], chunks_[index].data() + offset, length);
    }
    done += length;
  }
  return count;
}

std::vector<uint8_t> FileBytes::ReadAll() const {
  std::vector<uint8_t> bytes(size_);
  Read(bytes, 0);
  return bytes;
}

void FileBytes::Write(Bytes bytes, uint64_t position) {
  if (bytes.empty()) return;
  const uint64_t end = position + bytes.size();
  const uint64_t chunk_count = (end + kChunkBytes - 1) / kChunkBytes;
  if (chunks_.size() < chunk_count) chunks_.resize(chunk_count);
  for (size_t done = 0; done < bytes.size();) {
    const uint64_t index = (position + done) / kChunkBytes;
    const size_t offset = (position + done) % kChunkBytes;
    const size_t length = std::min<size_t>(kChunkBytes - offset, bytes.size() - done);
    std::memcpy(chunks_[index].MakeWritable() + offset, &bytes[done], length);
    done += length;
  }
  size_ = std::max(size_, end);
}

void FileBytes::Truncate(uint64_t size) {
  if (size < size_) {
    const uint64_t chunk_count = (size + kChunkBytes - 1) / kChunkBytes;
    if (chunks_.size() > chunk_count) chunks_.resize(chunk_count);
    const size_t rest = size % kChunkBytes;
    if (rest > 0 && chunks_.size() == chunk_count && !chunks_.back().is_hole()) {
      std::memset(chunks_.back().MakeWritable() + rest, 0, kChunkBytes - rest);
    }
  }
  size_ = size;
}

}  // namespace bedplate::vfs
