// What readers see: memtables, tables, the last commit; and the moments that are kept readable. All
// threads share one, and hold its mutex for no longer than it takes to swap a few pointers.
#ifndef BEDPLATE_LSM_STATES_H_
#define BEDPLATE_LSM_STATES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "lsm/catalogue.h"
#include "lsm/memory.h"
#include "lsm/memtable.h"
#include "lsm/version.h"

namespace bedplate::lsm {

// Where reads look before the version: a memtable, or tables that no manifest names yet.
struct Layer {
  // Null if these are tables.
  std::shared_ptr<const Memtable> memtable;
  Run tables;
};

// Everything that the store holds: a value that never changes, but for the first memtable, which is
// still written to. Whoever holds it keeps it readable.
struct ReadState {
  std::shared_ptr<const Version> version;
  // The newest first; the first one is a memtable.
  std::vector<Layer> layers;
};

// A state, and as of which commit to read it.
struct Moment {
  std::shared_ptr<const ReadState> state;
  uint64_t position = 0;
  std::shared_ptr<const Catalogue> catalogue;
};

class States {
 public:
  States(std::shared_ptr<const Version> version, const Memory& memory);

  // -- reading: any thread --

  // Take it before asking for position(): what that includes is in it, then.
  [[nodiscard]] std::shared_ptr<const ReadState> Current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  [[nodiscard]] uint64_t position() const { return position_.load(std::memory_order_acquire); }
  [[nodiscard]] Moment Now() const;
  // What waits to be named by a manifest, the newest first.
  [[nodiscard]] std::vector<Frozen> frozen() const;
  [[nodiscard]] bool has_frozen() const;
  // Memtables among it.
  [[nodiscard]] size_t frozen_count() const {
    return frozen_count_.load(std::memory_order_relaxed);
  }
  // Bytes of all memtables.
  [[nodiscard]] uint64_t memtable_bytes() const;

  // The same as Now, and kept readable until `Unpin` of its position.
  [[nodiscard]] Moment Pin(uint64_t now_ms);
  void Unpin(uint64_t position, uint64_t since_ms);
  // The positions that are pinned, rising, each once.
  [[nodiscard]] std::vector<uint64_t> Pinned() const;
  [[nodiscard]] size_t pin_count() const;
  // When the oldest of them was made; `otherwise` if there is none.
  [[nodiscard]] uint64_t OldestPinMs(uint64_t otherwise) const;

  // -- the writer --

  // Shows the commit that `memory` was changed by.
  void Publish(const Memory& memory);
  // `frozen` is above all that there was; `active` is what is written to from now on. It is another
  // one: who still reads the state before must not see there what is newer than `frozen`.
  void Freeze(Frozen frozen, std::shared_ptr<const Memtable> active);

  // -- whoever has written a manifest --

  void Install(std::shared_ptr<const Version> version);
  // The same, and the oldest of what was frozen is in it.
  void InstallFlushed(std::shared_ptr<const Version> version);

 private:
  // With the mutex held; gives what it replaced, which must go without it.
  [[nodiscard]] std::shared_ptr<const ReadState> Replace(std::shared_ptr<const Version> version);

  mutable std::mutex mutex_;
  std::shared_ptr<const ReadState> current_;
  std::shared_ptr<const Memtable> active_;
  // The newest first.
  std::deque<Frozen> frozen_;
  std::shared_ptr<const Catalogue> catalogue_;
  // When each pin was made, by its position.
  std::multimap<uint64_t, uint64_t> pins_;
  std::atomic<uint64_t> position_;
  std::atomic<size_t> frozen_count_{0};
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_STATES_H_
