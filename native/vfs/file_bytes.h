// The bytes of one simulated file, in chunks that copies share until one of them writes.
#ifndef BEDPLATE_VFS_FILE_BYTES_H_
#define BEDPLATE_VFS_FILE_BYTES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/bytes.h"

namespace bedplate::vfs {

// The size of one chunk, and the unit in which a simulated disk accounts for space.
inline constexpr uint64_t kChunkBytes = 4096;

// Growable bytes with cheap copies: one costs a pointer a chunk. A chunk that was never written is
// a hole of zeros. Copies may be used by different threads.
//
// Invariant: bytes of a chunk at or beyond `size` are zero, so growing a file never shows what was
// cut off before.
class FileBytes {
 public:
  FileBytes() = default;
  explicit FileBytes(Bytes bytes) { Write(bytes, 0); }

  [[nodiscard]] uint64_t size() const { return size_; }
  // The space that the chunks take.
  [[nodiscard]] uint64_t allocated_bytes() const;
  // The space that a write would newly take.
  [[nodiscard]] uint64_t NewlyAllocatedBy(uint64_t position, uint64_t length) const;

  // Gives the count of bytes read: fewer than asked only at the end.
  size_t Read(std::span<uint8_t> target, uint64_t position) const;
  [[nodiscard]] std::vector<uint8_t> ReadAll() const;
  // Grows the file if needed.
  void Write(Bytes bytes, uint64_t position);
  // Cuts, or grows with zeros.
  void Truncate(uint64_t size);

 private:
  // A chunk with the count of those who share it, or a hole.
  class Chunk {
   public:
    Chunk() = default;
    ~Chunk() { Drop(); }
    Chunk(const Chunk& other) : shared_(other.shared_) {
      if (shared_ != nullptr) shared_->holders.fetch_add(1, std::memory_order_relaxed);
    }
    Chunk(Chunk&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
    Chunk& operator=(Chunk other) noexcept {
      std::swap(shared_, other.shared_);
      return *this;
    }

    [[nodiscard]] bool is_hole() const { return shared_ == nullptr; }
    // Only if it is no hole.
    [[nodiscard]] const uint8_t* data() const { return shared_->bytes.data(); }
    // Makes it a chunk of nobody else's, which may be written.
    uint8_t* MakeWritable();

   private:
    struct Shared {
      std::atomic<uint32_t> holders{1};
      std::array<uint8_t, kChunkBytes> bytes{};
    };

    void Drop() {
      if (shared_ != nullptr && shared_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        delete shared_;
      }
    }

    Shared* shared_ = nullptr;
  };

  uint64_t size_ = 0;
  std::vector<Chunk> chunks_;
};

}  // namespace bedplate::vfs

#endif  // BEDPLATE_VFS_FILE_BYTES_H_
