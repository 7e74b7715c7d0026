// What memtables and tables hold: versions of keys. The twin is ts/storage/lsm/entry.ts.
#ifndef BEDPLATE_LSM_ENTRY_H_
#define BEDPLATE_LSM_ENTRY_H_

#include <cstdint>

#include "core/bytes.h"
#include "core/compare.h"
#include "core/status.h"

namespace bedplate::lsm {

enum class EntryKind : uint8_t {
  kDelete = 0,
  kPut = 1,
  kIncrement = 2,  // the value is the operand: i64, little-endian
  kAppend = 3,     // the value is the suffix
};
inline constexpr uint8_t kEntryKinds = 4;

// True if what it means depends on older versions.
[[nodiscard]] inline bool IsOperand(EntryKind kind) { return kind >= EntryKind::kIncrement; }

// The highest sequence that can be written down; no commit has it.
inline constexpr uint64_t kMaxSequence = (uint64_t{1} << 48) - 1;

// One version of a key. Views: whoever gives it says how long they last.
struct Entry {
  // With the tree's id in front: see internal_key.h.
  Bytes key;
  // The log position of the commit that made it.
  uint64_t sequence = 0;
  EntryKind kind = EntryKind::kDelete;
  // Empty for a deletion.
  Bytes value;
};

// Orders versions: by key, the newest of a key first. <0, 0 or >0.
[[nodiscard]] inline int CompareEntries(const Entry& a, const Entry& b) {
  const int order = CompareBytes(a.key, b.key);
  if (order != 0) return order;
  return a.sequence > b.sequence ? -1 : static_cast<int>(a.sequence < b.sequence);
}

// Walks over versions in order (CompareEntries), or in the reverse order. One thread at a time;
// what it walks over may be used by others meanwhile. A step may wait for the device.
class VersionCursor {
 public:
  VersionCursor() = default;
  virtual ~VersionCursor() = default;
  VersionCursor(const VersionCursor&) = delete;
  VersionCursor& operator=(const VersionCursor&) = delete;

  // Moves on; the first step goes to the first version. `*found` is false at the end. After a
  // failure it is good for nothing.
  virtual Status Step(bool* found) = 0;

  // The version that it stands on, after a step that found one. Key and value last until the next
  // step.
  [[nodiscard]] const Entry& entry() const { return *entry_; }

 protected:
  const Entry* entry_ = nullptr;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_ENTRY_H_
