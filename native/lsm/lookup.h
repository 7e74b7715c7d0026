// Reading one key: what was found of it so far, from the newest source to the oldest. The twin is
// `lookUp` of ts/storage/lsm/read-state.ts.
//
//   Lookup lookup(key, sequence);
//   for (each memtable, the newest first) if (memtable.LookUp(&lookup); lookup.is_done()) break;
//   if (!lookup.is_done()) tables.LookUpInRuns(all runs, the newest first, ..., &lookup);
//   lookup.Finish(&value);
#ifndef BEDPLATE_LSM_LOOKUP_H_
#define BEDPLATE_LSM_LOOKUP_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "bloom/hash.h"
#include "core/bytes.h"
#include "core/status.h"
#include "lsm/entry.h"
#include "lsm/operands.h"

namespace bedplate::lsm {

// The value of a key. `bytes` is a view: of `own`, of what `pin` holds, or, if both are empty, of a
// memtable, whose reader holds that.
struct FoundValue {
  bool found = false;
  Bytes bytes;
  std::shared_ptr<const void> pin;
  std::vector<uint8_t> own;
};

// One thread at a time.
class Lookup {
 public:
  // `key` is an internal one and outlives the lookup. Versions above `sequence` do not count.
  Lookup(Bytes key, uint64_t sequence) : key_(key), sequence_(sequence) {}
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  [[nodiscard]] Bytes key() const { return key_; }
  [[nodiscard]] uint64_t sequence() const { return sequence_; }
  // Of the key; computed when it is first asked for.
  [[nodiscard]] const bloom::Hash64& hash() {
    if (!is_hashed_) hash_ = bloom::HashOf(key_);
    is_hashed_ = true;
    return hash_;
  }

  // True once no older version matters.
  [[nodiscard]] bool is_done() const { return is_done_; }

  // -- for sources --------------------------------------------------------------------------------

  // A range tombstone covers the key: 0, or its sequence. Before the versions of the same source.
  void Hide(uint64_t sequence) { hidden_ = hidden_ > sequence ? hidden_ : sequence; }
  // Takes the newest version that was not taken yet; `entry.key` is the key, and its sequence is
  // not above the lookup's. `pin` keeps its value; null if that stays anyway.
  void Take(const Entry& entry, const std::shared_ptr<const void>& pin);
  // The source has no more. What comes behind it is older than its tombstones.
  void EndSource() { is_done_ = is_done_ || hidden_ > 0; }

  // What was found; once. INVALID_INPUT if appends have made the value too long.
  Status Finish(FoundValue* value);

 private:
  const Bytes key_;
  const uint64_t sequence_;
  bloom::Hash64 hash_;
  bool is_hashed_ = false;
  bool is_done_ = false;
  // The newest range tombstone so far.
  uint64_t hidden_ = 0;
  // The newest first.
  std::vector<Operand> operands_;
  bool has_base_ = false;
  Bytes base_;
  std::shared_ptr<const void> pin_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_LOOKUP_H_
