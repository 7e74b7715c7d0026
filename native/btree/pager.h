// The pager: a bounded cache of pages over the data file, and the rule of copy-on-write. The twin
// is ts/storage/btree/pager.ts.
//
// Every state anybody may still look at (an open snapshot, a checkpoint being written, the two
// metas) is an epoch. A page may be edited in place only if it was born after the newest of them;
// otherwise the writer edits a copy at another place and retires the original. So readers of a
// snapshot never see a page change, and what a meta refers to is never overwritten.
//
// Address and birth mean one content: a page that was written and is edited again is born again,
// and no two pages that were written to one place have the same birth. So a write that the disk
// lost is found by the reference to it.
//
// Who may call what:
//   shared     inside the gate, as a reader or alone: looks at pages in memory, never waits
//   exclusive  alone inside the gate: changes memory
//   writer     holding the writer's lock of the engine: nobody else changes pages meanwhile
//   anybody    any time
#ifndef BEDPLATE_BTREE_PAGER_H_
#define BEDPLATE_BTREE_PAGER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "btree/frame.h"
#include "btree/frame_table.h"
#include "btree/free_list.h"
#include "btree/page.h"
#include "core/status.h"
#include "vfs/disk.h"

namespace bedplate::btree {

// The cache holds at least this many pages, whatever its bound in bytes.
inline constexpr uint64_t kMinCachePages = 16;
// How many dirty pages are written at once to make room.
inline constexpr size_t kTrimPages = 64;

// The same failure as IO, if it is of a code that says that nothing was changed.
[[nodiscard]] Status NoRefusal(const Status& status);

// Figures of the cache since opening.
struct CacheStats {
  uint64_t capacity_pages = 0;
  uint64_t resident_pages = 0;
  uint64_t dirty_pages = 0;
  uint64_t misses = 0;
};

// A page that a reader found missing, to be read outside the gate.
struct Missing {
  Reference reference;
  // How often the place had been written when the reader looked.
  uint32_t version = 0;
};

class Pager {
 public:
  struct Options {
    uint32_t page_size_bytes = 0;
    uint64_t cache_bytes = 0;
    FreeList free_list;
    // The epoch that new pages are born in; larger than that of every snapshot, checkpoint, meta
    // and written page.
    uint64_t epoch = 0;
    bool read_only = false;
    Mutant* mutant = nullptr;
  };
  Pager(std::unique_ptr<vfs::File> file, Options options);
  ~Pager();
  Pager(const Pager&) = delete;
  Pager& operator=(const Pager&) = delete;

  [[nodiscard]] vfs::File* file() const { return file_.get(); }
  [[nodiscard]] uint32_t page_size_bytes() const { return page_size_bytes_; }
  [[nodiscard]] uint64_t capacity_pages() const { return capacity_pages_; }
  // Changed exclusively by the writer, so the writer may also look at it.
  [[nodiscard]] FreeList* free_list() { return &free_list_; }

  // -- reading --

  // Shared. The page if it is in memory; null and `*missing` set if not. CORRUPTION if memory holds
  // another life of that place: only a forged reference can mean one.
  Status Peek(const Reference& reference, Frame** frame, Missing* missing) {
    return Accept(reference, Find(reference), frame, missing);
  }
  // Shared. The first half of `Peek`, which waits for nothing: what is in that place, if it is in
  // memory.
  [[nodiscard]] Frame* Find(const Reference& reference) const {
    return table_.Find(reference.page);
  }
  // Shared. The second half, with what `Find` gave.
  Status Accept(const Reference& reference, Frame* found, Frame** frame, Missing* missing);
  // Anybody. The first half of loading: reads and checks the page, outside the gate.
  Status Fetch(const Missing& missing, FrameHandle* handle);
  // Exclusive. The second half: gives the page its place, unless one is there or the bytes are
  // stale; then the handle is of the one that is there, or empty: look again.
  void Admit(const Missing& missing, FrameHandle* handle);
  // Exclusive. The page, read from the file if need be.
  Status Read(const Reference& reference, Frame** frame);
  // Shared. Keeps a frame in memory.
  [[nodiscard]] static FrameHandle Keep(Frame* frame);

  // -- changing --

  // Shared. True if nobody but the current state can see a page of that birth.
  [[nodiscard]] bool IsPrivate(uint64_t birth) const {
    return birth > frozen_epoch_ || Lacks(mutant_, Rule::kCopyOnWrite);
  }
  // Exclusive. A new empty page of the current state.
  [[nodiscard]] Frame* Allocate(PageType type, uint32_t tree_id, uint32_t level);
  // Exclusive. `frame` itself if it may be edited in place, else a copy of it at a new place; the
  // original is retired. In either case its birth may have become another: then the reference to
  // it has to follow.
  [[nodiscard]] Frame* Writable(Frame* frame);
  // Exclusive. Takes a page out of the current state. By value: its frame may end here.
  void Retire(Reference reference);
  // Exclusive. Frees the retired pages that nobody needs any more.
  void Reclaim();
  // While pages are being written outside the gate, no page is reclaimed: among them may be some
  // that only a snapshot still needs. Were one given to somebody else meanwhile, its old bytes
  // would be written over the new ones.
  void BeginWriting() { writes_under_way_++; }
  void EndWriting() { writes_under_way_--; }

  // -- epochs: exclusive --

  // A birth for pages that go past the cache: what is born later has another.
  uint64_t TakeBirth() { return Lacks(mutant_, Rule::kLaterBirth) ? epoch_ : epoch_++; }

  // Freezes the current state. Its epoch is to be given back to `CloseEpoch`.
  uint64_t OpenEpoch();
  void CloseEpoch(uint64_t epoch);
  // Keeps the state of `epoch` frozen for good: a meta will refer to it.
  void BeginCheckpoint(uint64_t epoch) {
    if (!Lacks(mutant_, Rule::kFrozenCheckpoint)) checkpoint_epoch_ = epoch;
  }
  // Epochs of the metas on disk, any order.
  void set_meta_epochs(std::vector<uint64_t> epochs) { meta_epochs_ = std::move(epochs); }
  [[nodiscard]] const std::vector<uint64_t>& meta_epochs() const { return meta_epochs_; }
  // How often a page may have ceased to be the writer's own, or to be in memory. Never 0.
  [[nodiscard]] uint64_t disturbances() const { return disturbances_; }

  // -- writing to the file --

  // Shared. The dirty pages of the state of `epoch`, in file order, kept in memory.
  [[nodiscard]] std::vector<FrameHandle> DirtyPages(uint64_t epoch) const;
  // Anybody, while nobody changes these pages (they are frozen, or the caller is the writer).
  // Writes them to their places; neighbours go together. `pages` is in file order.
  Status WritePages(std::span<const FrameHandle> pages);
  // Exclusive. Notes that these pages are in the file now.
  void MarkClean(std::span<const FrameHandle> pages);
  // Anybody. Makes durable what was written. Its failure is never a refusal, not even for want of
  // space: what was written before may be lost, and no later sync would tell.
  Status Sync();
  // Exclusive. Takes a page that is not in the cache and goes past it, such as one of a long value,
  // to the place that it says: in the file, or in memory if the file is only read.
  Status WriteThrough(const Page& page);
  // Anybody who knows that the page does not change. Reads it past the cache.
  Status ReadThrough(const Reference& reference, const Page& page) const;
  // Shared. Copies the page as it would go to the file, if memory is ahead of the file.
  [[nodiscard]] bool CopyIfDirty(uint64_t page, std::span<uint8_t> target) const;
  // Anybody who knows that the page does not change. Its bytes as they are, `*count` of them, which
  // is less than a page only at the end of the file. Nothing is checked.
  Status ReadUnchecked(uint64_t page, std::span<uint8_t> target, size_t* count) const;

  // -- keeping the bound --

  // Writer. True if every page of the current state is in memory: nobody will have to wait for the
  // device. Old pages that snapshots have read again are counted wrongly: then it is a guess.
  [[nodiscard]] bool is_complete() const {
    const uint64_t unneeded = free_list_.free_count() + free_list_.retired_count();
    return resident_ - retired_resident_ + kFirstPage + unneeded >= free_list_.page_count();
  }
  // Anybody.
  [[nodiscard]] bool is_over() const { return resident_ > capacity_pages_; }
  // Anybody. True if another page has to take the place of one.
  [[nodiscard]] bool is_full() const { return resident_ >= capacity_pages_; }
  // Anybody. True if the cache has outgrown twice its bound. If a full disk is why, writes must be
  // refused.
  [[nodiscard]] bool is_starved() const { return resident_ > 2 * capacity_pages_; }
  // Exclusive. Drops clean pages until the bound is kept. Gives up to `max_dirty` pages that it
  // would have dropped, were they clean: write them as the writer, mark them clean, and call again.
  [[nodiscard]] std::vector<FrameHandle> Trim(size_t max_dirty);
  // Anybody. Bytes of pages that a checkpoint would have to write.
  [[nodiscard]] uint64_t dirty_bytes() const { return dirty_count_ * page_size_bytes_; }
  // Shared.
  [[nodiscard]] CacheStats stats() const;

  // The error for what is wrong with the page at `page`.
  [[nodiscard]] Status Corruption(uint64_t page, const std::string& problem) const;

 private:
  [[nodiscard]] std::atomic<uint32_t>& VersionOf(uint64_t page) {
    return versions_[page % versions_.size()];
  }
  Status ReadInto(const Reference& reference, Frame* frame) const;
  void Adopt(Frame* frame);
  void Forget(uint64_t page);
  void DropIfUseless(Frame* frame);
  void Drop(Frame* frame);
  void SetDirty(Frame* frame, bool dirty);

  const std::unique_ptr<vfs::File> file_;
  const uint32_t page_size_bytes_;
  const uint64_t capacity_pages_;
  const bool read_only_;
  Mutant* const mutant_;
  FreeList free_list_;
  uint64_t epoch_;
  uint64_t checkpoint_epoch_;
  uint64_t frozen_epoch_;
  std::vector<uint64_t> meta_epochs_;
  uint32_t writes_under_way_ = 0;
  uint64_t disturbances_ = 1;
  // Epochs of open snapshots, rising.
  std::vector<uint64_t> snapshots_;

  [[nodiscard]] Frame* NewFrame() { return Frame::Make(arena_, page_size_bytes_); }

  const std::shared_ptr<PageArena> arena_;
  FrameTable table_;
  // All frames of the table, and the hand of the clock that looks for one to drop.
  std::vector<Frame*> frames_;
  size_t hand_ = 0;
  // How many frames there are, and how many of them are dirty: changed alone inside the gate, read
  // anywhere.
  std::atomic<uint64_t> resident_{0};
  std::atomic<uint64_t> dirty_count_{0};
  // How many of them are retired: the same.
  std::atomic<uint64_t> retired_resident_{0};
  // What replay wrote past the cache of a file that is only read. Does not change after opening.
  std::unordered_map<uint64_t, std::vector<uint8_t>> past_file_;
  // How often places were written or given up; many share a counter. See `Fetch`.
  std::array<std::atomic<uint32_t>, 4096> versions_{};
  std::atomic<uint64_t> misses_{0};
};

}  // namespace bedplate::btree

#endif  // BEDPLATE_BTREE_PAGER_H_
