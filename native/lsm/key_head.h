// The first bytes of a key as numbers: comparing two keys is mostly comparing these, without
// touching the keys (the "poor man's normalised key" of Graefe and Larson, "B-Tree Indexes and CPU
// Caches", ICDE 2001, section 3).
#ifndef BEDPLATE_LSM_KEY_HEAD_H_
#define BEDPLATE_LSM_KEY_HEAD_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/bytes.h"

namespace bedplate::lsm {

// Sixteen bytes, zero padded: a tree's id takes four, so that twelve of its keys are left.
inline constexpr size_t kHeadBytes = 16;

struct KeyHead {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const KeyHead&, const KeyHead&) = default;
};

[[nodiscard]] inline KeyHead HeadOf(Bytes key) {
  std::array<uint64_t, 2> words{};
  if (key.size() >= kHeadBytes) {
    std::memcpy(words.data(), key.data(), kHeadBytes);
  } else if (!key.empty()) {
    std::memcpy(words.data(), key.data(), key.size());
  }
  return {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

// As CompareBytes(a, b) of keys that have a head each and begin alike with it. Eight bytes at a
// time, and the last eight over what was compared already: tails are too short to be worth a call.
[[nodiscard]] inline int CompareTails(Bytes a, Bytes b) {
  const size_t shared = std::min(a.size(), b.size());
  for (size_t at = kHeadBytes; at < shared; at += sizeof(uint64_t)) {
    const size_t from = std::min(at, shared - sizeof(uint64_t));
    uint64_t word_a = 0;
    uint64_t word_b = 0;
    std::memcpy(&word_a, a.data() + from, sizeof(uint64_t));
    std::memcpy(&word_b, b.data() + from, sizeof(uint64_t));
    if (word_a != word_b) return __builtin_bswap64(word_a) < __builtin_bswap64(word_b) ? -1 : 1;
  }
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

// As CompareBytes(a, b), given their heads.
[[nodiscard]] inline int CompareKeys(const KeyHead& head_a, Bytes a, const KeyHead& head_b,
                                     Bytes b) {
  if (head_a.high != head_b.high) return head_a.high < head_b.high ? -1 : 1;
  if (head_a.low != head_b.low) return head_a.low < head_b.low ? -1 : 1;
  // Equal heads with padding in one of them: the shorter key begins the other one.
  if (a.size() >= kHeadBytes && b.size() >= kHeadBytes) return CompareTails(a, b);
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

}  // namespace bedplate::lsm

#endif  // BEDPLATE_LSM_KEY_HEAD_H_
