#include "lsm/arena.h"

#include <algorithm>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace bedplate::lsm {
namespace {

// A huge page of x86-64 and of most ARM systems: a walk through a skip list jumps all over its
// memory, and with small pages most jumps miss the processor's table of them, too. A small memtable
// should not take one for its first entries: chunks grow up to it.
constexpr size_t kHugeChunkBytes = size_t{2} << 20;
constexpr size_t kSmallestChunkBytes = size_t{16} << 10;

size_t AlignmentOf(size_t chunk_bytes) {
  return chunk_bytes == kHugeChunkBytes ? kHugeChunkBytes : alignof(uint64_t);
}

}  // namespace

Arena::~Arena() {
  for (const auto& [bytes, size] : chunks_) {
    ::operator delete(bytes, std::align_val_t(AlignmentOf(size)));
  }
}

// What is large gets a chunk of its own, so that the rest of the current one is not lost.
uint8_t* Arena::AllocateInNewChunk(size_t bytes) {
  const size_t size = std::clamp(reserved_bytes_, kSmallestChunkBytes, kHugeChunkBytes);
  if (bytes > size / 4) return NewChunk(bytes);
  uint8_t* given = NewChunk(size);
  next_ = given + bytes;
  left_ = size - bytes;
  return given;
}

uint8_t* Arena::NewChunk(size_t size) {
  auto* bytes = static_cast<uint8_t*>(::operator new(size, std::align_val_t(AlignmentOf(size))));
#ifdef MADV_HUGEPAGE
  // Best effort: without them everything works the same, slower.
  if (size == kHugeChunkBytes) (void)madvise(bytes, size, MADV_HUGEPAGE);
#endif
  chunks_.push_back({bytes, size});
  reserved_bytes_ += size;
  return bytes;
}

}  // namespace bedplate::lsm
