#include "btree/page_arena.h"

#include <algorithm>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace bedplate::btree {
namespace {

// A huge page of x86-64 and of most ARM systems. A small store should not take one for its first
// pages: chunks grow up to it.
constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kFirstChunkBytes = size_t{256} << 10;

constexpr std::align_val_t kLineAlignment{64};

// Under AddressSanitizer each is an allocation of its own, so that it sees what is used after
// its end.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kIsChecked = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kIsChecked = true;
#else
constexpr bool kIsChecked = false;
#endif
#else
constexpr bool kIsChecked = false;
#endif

size_t AlignmentOf(size_t chunk_bytes) { return std::min(chunk_bytes, kHugePageBytes); }

}  // namespace

PageArena::~PageArena() {
  for (const auto& [bytes, size] : chunks_) {
    ::operator delete(bytes, std::align_val_t(AlignmentOf(size)));
  }
}

void* PageArena::Allocate() {
  if (kIsChecked) return ::operator new(slot_bytes_, kLineAlignment);
  const std::lock_guard lock(mutex_);
  if (free_.empty()) Grow();
  void* slot = free_.back();
  free_.pop_back();
  return slot;
}

void PageArena::Free(void* slot) {
  if (kIsChecked) return ::operator delete(slot, kLineAlignment);
  const std::lock_guard lock(mutex_);
  free_.push_back(slot);
}

void PageArena::Grow() {
  const size_t size =
      chunks_.empty() ? kFirstChunkBytes : std::min(2 * chunks_.back().size, kHugePageBytes);
  auto* bytes = static_cast<uint8_t*>(::operator new(size, std::align_val_t(AlignmentOf(size))));
#ifdef MADV_HUGEPAGE
  // Best effort: without them everything works the same, slower.
  if (size == kHugePageBytes) (void)madvise(bytes, size, MADV_HUGEPAGE);
#endif
  chunks_.push_back({bytes, size});
  for (size_t slots = size / slot_bytes_; slots > 0; slots--) {
    free_.push_back(bytes + (slots - 1) * slot_bytes_);  // the first one is given first
  }
}

}  // namespace bedplate::btree
