// The newest commits, sorted in memory: a skip list of versions (Pugh, "Skip Lists", CACM 1990),
// and range tombstones. The twin is ts/storage/lsm/memtable.ts.
//
// One thread writes, any number read at the same time, without locks: a version is complete before
// a link leads to it, and links are atomic. Versions are added and never removed, so a cursor may
// go on while others write: what was added meanwhile has a higher sequence than it looks at.
#ifndef BEDPLATE_LSM_MEMTABLE_H_
#define BEDPLATE_LSM_MEMTABLE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "core/bytes.h"
#include "core/status.h"
#include "lsm/arena.h"
#include "lsm/entry.h"
#include "lsm/internal_key.h"
#include "lsm/key_head.h"
#include "lsm/lookup.h"
#include "lsm/range_tombstones.h"

namespace bedplate::lsm {

class Memtable {
 public:
  Memtable();
  ~Memtable();
  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  // -- writing: one thread ------------------------------------------------------------------------

  // Adds a version; copies the bytes. Sequences never fall. With one of the same commit and key it
  // becomes one (FoldWithinCommit): CORRUPTION, and nothing changes, if they do not go together.
  // O(log n); next to the last one added, O(1).
  Status Add(const Entry& entry);
  // Versions that are added together: about as many as the processor can wait for lines of.
  static constexpr size_t kGroupSize = 32;
  // Adds each, one to kGroupSize of one commit. Their places are looked for side by side, so that
  // what misses the processor's cache misses it together. Ends with the first that fails.
  Status AddGroup(std::span<const Entry> entries);
  // Deletes every older version of the keys in `span`. Before the keys of the same commit.
  void AddTombstone(const KeySpan& span, uint64_t sequence);

  // -- reading: any thread ------------------------------------------------------------------------

  // True as long as nothing was added.
  [[nodiscard]] bool is_empty() const { return last_sequence() == 0; }
  // The memory it takes.
  [[nodiscard]] uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Bytes of the keys and values in it, without what it takes to find them.
  [[nodiscard]] uint64_t content_bytes() const {
    return content_bytes_.load(std::memory_order_relaxed);
  }
  // Versions in it.
  [[nodiscard]] uint64_t entry_count() const {
    return entry_count_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t tombstone_count() const {
    return tombstone_count_.load(std::memory_order_relaxed);
  }
  // The last commit that wrote to it; 0 if none did.
  [[nodiscard]] uint64_t last_sequence() const {
    return last_sequence_.load(std::memory_order_relaxed);
  }
  // Those so far; null if there are none.
  [[nodiscard]] std::shared_ptr<const RangeTombstones> tombstones() const;

  // Adds to `lookup` what this memtable knows of its key. Its bytes last as long as the memtable.
  void LookUp(Lookup* lookup) const;
  // Walks over the versions of `span`, whose bytes outlive the cursor, as the memtable does. Its
  // entries' bytes last as long as the memtable.
  [[nodiscard]] std::unique_ptr<VersionCursor> NewCursor(const KeySpan& span, bool reverse) const;

 private:
  static constexpr uint32_t kMaxHeight = 12;
  class Cursor;
  struct Node;
  struct Search;
  struct Value;
  // The nodes around a place, in every level.
  struct Place {
    std::array<Node*, kMaxHeight> path;
    std::array<Node*, kMaxHeight> behind;
  };

  // The first node at or behind (`key`, `sequence`), null if there is none.
  [[nodiscard]] const Node* Seek(Bytes key, uint64_t sequence) const;
  // The last node before every version of `key`; before (`key`, `sequence`). The head if there is
  // none.
  [[nodiscard]] const Node* SeekBefore(Bytes key) const;
  [[nodiscard]] const Node* SeekBefore(Bytes key, uint64_t sequence) const;
  // True if a version of (`key`, `sequence`) belongs to `place_`.
  [[nodiscard]] bool IsNext(const KeyHead& head, Bytes key, uint64_t sequence) const;
  // Sets `place_` to that of (`key`, `sequence`).
  void FindPlace(const KeyHead& head, Bytes key, uint64_t sequence);
  // Finds the places of all `searches`, before every version of their keys.
  void FindPlaces(std::span<Search> searches) const;
  // Sets `place_` to where (`key`, `sequence`) belongs, given what was its place before others were
  // added.
  void CatchUp(const Place& before, const KeyHead& head, Bytes key, uint64_t sequence);
  Status AddAtPlace(const KeyHead& head, const Entry& entry);
  Status Replace(Node* node, const Entry& entry);
  Status Extend(Node* node, Bytes suffix);
  [[nodiscard]] const Value* StoreValue(EntryKind kind, Bytes value);
  [[nodiscard]] uint32_t ThrowHeight();
  void Count(uint64_t sequence, uint64_t content_bytes);

  Arena arena_;
  Node* head_;
  // Levels in use.
  std::atomic<uint32_t> height_{1};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> content_bytes_{0};
  std::atomic<uint64_t> entry_count_{0};
  std::atomic<uint64_t> tombstone_count_{0};
  std::atomic<uint64_t> last_sequence_{0};

  // The writer's: the place right behind what was added last, and the state of its dice.
  Place place_;
  uint32_t dice_ = 0x2545f491;

  // So that whoever reads where there are none takes no lock.
  std::atomic<bool> has_tombstones_{false};
  mutable std::mutex tombstones_mutex_;
  std::shared_ptr<const RangeTombstones> tombstones_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_MEMTABLE_H_
