// A page in memory, with what the cache notes of it.
#ifndef BEDPLATE_BTREE_FRAME_H_
#define BEDPLATE_BTREE_FRAME_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "btree/page.h"
#include "btree/page_arena.h"

namespace bedplate::btree {

inline constexpr size_t kCacheLineBytes = 64;

// The bytes of the page lie behind it in the same memory: who has the address of one has that of
// the other, and need not wait for the frame to ask for the page.
class alignas(kCacheLineBytes) Frame {
 public:
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  [[nodiscard]] Page page() const { return {bytes(), size_bytes_}; }
  [[nodiscard]] const Reference& self() const { return self_; }

  // Asks the processor for what a search of a page with ordinary cells looks at, all at once: a
  // search that waits for one piece after the other takes several times as long.
  void PrefetchForSearch() const {
    constexpr size_t kLines = 15;
    const auto* at = reinterpret_cast<const uint8_t*>(this);
    for (size_t line = 0; line < kLines; line++) __builtin_prefetch(at + line * kCacheLineBytes);
  }

 private:
  friend class Pager;
  friend class FrameHandle;

  // One with undefined content, in memory of `arena`, which is one for pages of that size.
  static Frame* Make(const std::shared_ptr<PageArena>& arena, uint32_t page_size_bytes) {
    return new (arena->Allocate()) Frame(arena, page_size_bytes);
  }
  static void Destroy(Frame* frame) {
    const std::shared_ptr<PageArena> arena = std::move(frame->arena_);
    frame->~Frame();
    arena->Free(frame);
  }

  Frame(std::shared_ptr<PageArena> arena, uint32_t page_size_bytes)
      : size_bytes_(page_size_bytes), arena_(std::move(arena)) {}
  ~Frame() = default;

  [[nodiscard]] uint8_t* bytes() const {
    return reinterpret_cast<uint8_t*>(const_cast<Frame*>(this) + 1);
  }

  // What the page says of itself, kept beside the bytes since the cache asks for it all the time.
  Reference self_;
  const uint32_t size_bytes_;
  // Those of the table and of handles. A frame that has more than one is not evicted.
  std::atomic<uint32_t> owners_{1};
  // Its place among the pager's frames.
  size_t index_ = 0;
  // Whoever holds a frame may outlive the pager.
  std::shared_ptr<PageArena> arena_;
  // True while the bytes in memory are newer than those in the file.
  bool dirty_ = false;
  // True once only older states need the page.
  bool retired_ = false;
  // The second-chance bit.
  std::atomic<bool> referenced_{true};
};

static_assert(sizeof(Frame) == kCacheLineBytes);

// What an arena for frames has to give for each.
constexpr size_t FrameBytes(uint32_t page_size_bytes) { return sizeof(Frame) + page_size_bytes; }

// Keeps a frame in memory.
class FrameHandle {
 public:
  FrameHandle() = default;
  FrameHandle(FrameHandle&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  FrameHandle& operator=(FrameHandle&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~FrameHandle() { Release(frame_); }

  [[nodiscard]] Frame* get() const { return frame_; }
  Frame* operator->() const { return frame_; }

 private:
  friend class Pager;
  // Takes over one ownership.
  explicit FrameHandle(Frame* frame) : frame_(frame) {}
  static void Release(Frame* frame) {
    if (frame != nullptr && frame->owners_.fetch_sub(1) == 1) Frame::Destroy(frame);
  }

  Frame* frame_ = nullptr;
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_FRAME_H_
