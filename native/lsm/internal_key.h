// All trees of a store lie in one order of keys: the id of the tree, big-endian, then the key.
// Ranges are half-open. The twin is ts/storage/lsm/internal-key.ts.
#ifndef BEDPLATE_LSM_INTERNAL_KEY_H_
#define BEDPLATE_LSM_INTERNAL_KEY_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/compare.h"
#include "core/key_range.h"

namespace bedplate::lsm {

inline constexpr size_t kTreeIdBytes = 4;
inline constexpr uint32_t kFirstTreeId = 1;
// One less than what four bytes hold, so that the end of every tree can be named.
inline constexpr uint32_t kMaxTreeId = 0xfffffffe;
// The most bytes a key may have: as many as in a B-tree store with pages of the default size.
inline constexpr size_t kMaxKeyBytes = 2048;
// A bound may be the successor of a key.
inline constexpr size_t kMaxBoundBytes = kTreeIdBytes + kMaxKeyBytes + 1;

// The internal keys from `start` up to and without `end`. Views of bytes of somebody else's.
struct KeySpan {
  Bytes start;
  Bytes end;

  [[nodiscard]] bool is_empty() const { return CompareBytes(start, end) >= 0; }
  [[nodiscard]] bool Holds(Bytes key) const {
    return CompareBytes(start, key) <= 0 && CompareBytes(key, end) < 0;
  }
};

// True if the two share a key, or could.
[[nodiscard]] inline bool Overlap(const KeySpan& a, const KeySpan& b) {
  return CompareBytes(a.start, b.end) < 0 && CompareBytes(b.start, a.end) < 0;
}

// A span with its bytes.
struct OwnedSpan {
  std::vector<uint8_t> start;
  std::vector<uint8_t> end;

  [[nodiscard]] KeySpan view() const { return {start, end}; }
};

// The key of a tree in the order of all, in memory of its own without an allocation.
class InternalKey {
 public:
  // `key` has kMaxKeyBytes at most.
  InternalKey(uint32_t tree_id, Bytes key) : size_(kTreeIdBytes + key.size()) {
    const uint32_t big_endian = __builtin_bswap32(tree_id);
    std::memcpy(bytes_.data(), &big_endian, kTreeIdBytes);
    std::ranges::copy(key, bytes_.data() + kTreeIdBytes);
  }
  InternalKey(const InternalKey&) = delete;
  InternalKey& operator=(const InternalKey&) = delete;

  [[nodiscard]] Bytes bytes() const { return {bytes_.data(), size_}; }

 private:
  size_t size_;
  std::array<uint8_t, kTreeIdBytes + kMaxKeyBytes> bytes_;
};

// The key as its tree knows it. A view.
[[nodiscard]] inline Bytes UserKey(Bytes internal) { return internal.subspan(kTreeIdBytes); }

// The least byte string above `key`.
[[nodiscard]] std::vector<uint8_t> Successor(Bytes key);

// The keys of a tree that lie in `range`. It is empty if the bounds cross: then `end` may be before
// `start`. A bound that is longer than any key divides keys as the successor of its beginning does:
// no key lies between the two.
[[nodiscard]] OwnedSpan SpanOf(uint32_t tree_id, const KeyRange& range);

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_INTERNAL_KEY_H_
