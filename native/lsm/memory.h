// What is in memory of a store: the catalogue, and the memtable that is written to. Commits come as
// log records, live ones too, so that what is replayed is what was applied. The twin is
// ts/storage/lsm/memory.ts.
#ifndef BEDPLATE_LSM_MEMORY_H_
#define BEDPLATE_LSM_MEMORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/key_range.h"
#include "core/status.h"
#include "lsm/catalogue.h"
#include "lsm/entry.h"
#include "lsm/memtable.h"
#include "lsm/table_format.h"
#include "lsm/tree_slot.h"
#include "ordered/record.h"

namespace bedplate::lsm {

// A memtable that nobody writes to any more, or tables that were ingested, with what the manifest
// will say once it names what becomes of them.
struct Frozen {
  // Null if these are tables.
  std::shared_ptr<const Memtable> memtable;
  // In order, without a shared key.
  Run tables;
  uint64_t position = 0;
  std::shared_ptr<const Catalogue> catalogue;
};

// What they hide is counted from all that overlap.
inline constexpr uint64_t kMaxMemtableTombstones = 1024;

// Belongs to whoever writes, but for `SlotOf`.
class Memory final : private ordered::RecordVisitor {
 public:
  // The state after log record `position`.
  Memory(std::shared_ptr<const Catalogue> catalogue, uint64_t position);

  // Any thread. The place of the tree called `name`, whether it exists or not.
  [[nodiscard]] TreeSlot* SlotOf(std::string_view name);

  // Applies the log record of number `position`, the one after position(). CORRUPTION if it is
  // none.
  Status Apply(uint64_t position, Bytes record);
  // The state of this moment, with what was written to the active memtable. What is written from
  // now on goes to another one.
  [[nodiscard]] Frozen Freeze();

  [[nodiscard]] const std::shared_ptr<Memtable>& active() const { return active_; }
  // True if it should be frozen: by its bytes, or by its range tombstones.
  [[nodiscard]] bool IsFull(uint64_t memtable_bytes) const {
    return active_->bytes() >= memtable_bytes ||
           active_->tombstone_count() >= kMaxMemtableTombstones;
  }
  [[nodiscard]] const std::shared_ptr<const Catalogue>& catalogue() const { return catalogue_; }
  // The last log record that was applied.
  [[nodiscard]] uint64_t position() const { return position_; }

 private:
  Status Put(uint32_t tree_id, Bytes key, Bytes value) override;
  Status Delete(uint32_t tree_id, Bytes key) override;
  Status Clear(uint32_t tree_id, const KeyRange& range) override;
  Status CreateTree(uint32_t tree_id, Bytes name) override;
  Status DropTree(uint32_t tree_id) override;
  Status BulkLoad(uint32_t tree_id) override;
  [[nodiscard]] bool takes_operands() const override { return true; }
  Status Increment(uint32_t tree_id, Bytes key, Bytes by) override;
  Status Append(uint32_t tree_id, Bytes key, Bytes suffix) override;

  // Keys of a commit are added some at a time.
  struct Pending {
    size_t key_start;
    size_t key_size;
    EntryKind kind;
    Bytes value;
  };
  Status Add(uint32_t tree_id, Bytes key, EntryKind kind, Bytes value);
  Status AddPending();
  [[nodiscard]] Status CheckTree(uint32_t tree_id) const;

  std::shared_ptr<const Catalogue> catalogue_;
  std::shared_ptr<Memtable> active_ = std::make_shared<Memtable>();
  uint64_t position_;
  // What the record that is applied adds, and has not added yet; internal keys one behind the
  // other.
  std::vector<Pending> pending_;
  std::vector<uint8_t> pending_keys_;
  std::mutex slots_mutex_;
  std::map<std::string, std::unique_ptr<TreeSlot>, std::less<>> slots_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_MEMORY_H_
