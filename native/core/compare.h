// The order of byte strings that all stores keep.
#ifndef BEDPLATE_CORE_COMPARE_H_
#define BEDPLATE_CORE_COMPARE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/bytes.h"

namespace bedplate {

// Orders bytes as unsigned numbers; a prefix comes before what it begins. <0, 0 or >0.
[[nodiscard]] inline int CompareBytes(Bytes a, Bytes b) {
  const size_t shared = std::min(a.size(), b.size());
  if (shared > 0) {
    const int order = std::memcmp(a.data(), b.data(), shared);
    if (order != 0) return order;
  }
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

[[nodiscard]] inline bool AreEqual(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// How many bytes both begin with.
[[nodiscard]] inline uint32_t CommonPrefixLength(Bytes a, Bytes b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  return static_cast<uint32_t>(end - a.begin());
}

}  // namespace bedplate

#endif  // BEDPLATE_CORE_COMPARE_H_
