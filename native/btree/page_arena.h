// Memory for pages with their frames, all of one size, taken from the system in large chunks.
//
// Descents jump from page to page all over the cache. With small pages of memory most jumps miss
// the processor's table of them (the TLB) on top of its cache, which doubles what a lookup costs.
// So a chunk asks to be backed by huge pages where the system has them.
#ifndef BEDPLATE_BTREE_PAGE_ARENA_H_
#define BEDPLATE_BTREE_PAGE_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace bedplate::btree {

// Any thread may use it. It outlives what it has given.
class PageArena {
 public:
  // `slot_bytes` is a multiple of a cache line.
  explicit PageArena(size_t slot_bytes) : slot_bytes_(slot_bytes) {}
  ~PageArena();
  PageArena(const PageArena&) = delete;
  PageArena& operator=(const PageArena&) = delete;

  // Memory for one, beginning at a cache line; its bytes are undefined.
  [[nodiscard]] void* Allocate();
  // Takes it back, to be given again. The system gets its memory back only from the destructor.
  void Free(void* slot);

 private:
  struct Chunk {
    uint8_t* bytes;
    size_t size;
  };
  void Grow();

  const size_t slot_bytes_;
  std::mutex mutex_;
  std::vector<Chunk> chunks_;
  // The last one that was given comes first: it may still be in the processor's cache.
  std::vector<void*> free_;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_PAGE_ARENA_H_
