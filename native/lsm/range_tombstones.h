// Deletions of whole ranges. The newest one that covers a key decides; all are kept that somebody
// may still look through. The twin is ts/storage/lsm/range-tombstones.ts.
#ifndef BEDPLATE_LSM_RANGE_TOMBSTONES_H_
#define BEDPLATE_LSM_RANGE_TOMBSTONES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "lsm/internal_key.h"

namespace bedplate::lsm {

// Deletes all versions of the keys in its span that are older than its sequence. Views.
struct RangeTombstone {
  KeySpan span;
  uint64_t sequence = 0;
};

// A set of range tombstones that never changes, so any thread may ask it. It holds views: their
// bytes outlive it. A question costs O(log n).
class RangeTombstones {
 public:
  // A span that no bound divides, with the sequences of all that cover it, the newest first.
  struct Fragment {
    KeySpan span;
    std::span<const uint64_t> sequences;
  };

  RangeTombstones() = default;
  // O(n log n).
  explicit RangeTombstones(std::vector<RangeTombstone> tombstones);

  // The same with one more. O(n / 32) on average.
  [[nodiscard]] std::shared_ptr<const RangeTombstones> With(const RangeTombstone& added) const;

  [[nodiscard]] size_t count() const;
  // All of them, in the order in which they were added.
  [[nodiscard]] std::vector<RangeTombstone> List() const;
  // The newest sequence, at or below `up_to`, that covers `key`; 0 if none does.
  [[nodiscard]] uint64_t Covering(Bytes key, uint64_t up_to) const;
  // All of them cut at each other's bounds, in order. Views of this set. Only of one that has no
  // tail: made by its constructor and not by With.
  [[nodiscard]] std::vector<Fragment> Fragments() const;

 private:
  struct Cut;

  // Known to the fragments; shared by sets that grew from one.
  std::shared_ptr<const Cut> cut_;
  // Looked at one by one.
  std::vector<RangeTombstone> tail_;
};

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_RANGE_TOMBSTONES_H_
