// Memory that is taken piece by piece and given back as a whole.
#ifndef BEDPLATE_LSM_ARENA_H_
#define BEDPLATE_LSM_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace bedplate::lsm {

// One thread takes memory; what was given may be used by any.
class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Memory that begins at a multiple of 8 bytes; undefined.
  [[nodiscard]] uint8_t* Allocate(size_t bytes) {
    const size_t rounded = (bytes + 7) & ~size_t{7};
    used_bytes_ += rounded;
    if (rounded > left_) return AllocateInNewChunk(rounded);
    uint8_t* given = next_;
    next_ += rounded;
    left_ -= rounded;
    return given;
  }
  // Given so far.
  [[nodiscard]] size_t used_bytes() const { return used_bytes_; }

 private:
  struct Chunk {
    uint8_t* bytes;
    size_t size;
  };

  [[nodiscard]] uint8_t* AllocateInNewChunk(size_t bytes);
  [[nodiscard]] uint8_t* NewChunk(size_t bytes);

  std::vector<Chunk> chunks_;
  uint8_t* next_ = nullptr;
  size_t left_ = 0;
  size_t used_bytes_ = 0;
  size_t reserved_bytes_ = 0;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_ARENA_H_
