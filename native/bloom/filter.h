// Bloom filters in blocks of one cache line: a key's bits all lie in the 64 bytes that its hash
// chooses, so that a test costs one miss of the cache (Putze, Sanders, Singler, "Cache-, Hash- and
// Space-Efficient Bloom Filters", 2007, section 3). Bytes: docs/formats/bloom.md; the twin is
// ts/storage/bloom/filter.ts, and both make the same bytes of the same keys.
#ifndef BEDPLATE_BLOOM_FILTER_H_
#define BEDPLATE_BLOOM_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bloom/hash.h"
#include "core/bytes.h"
#include "core/status.h"

namespace bedplate::bloom {

inline constexpr uint32_t kMaxBitsPerKey = 64;
// Of a filter: its lines begin behind so many bytes. What reads a filter into memory places it so
// that they lie on cache lines.
inline constexpr size_t kFilterHeaderBytes = 64;

// Builds the filter of a set of keys, given by their hashes. `bits_per_key` is 1 to kMaxBitsPerKey;
// with 10, one test in a hundred that should fail succeeds. Equal keys give equal bytes, in
// whatever order. Any thread.
[[nodiscard]] std::vector<uint8_t> BuildFilter(std::span<const Hash64> hashes,
                                               uint32_t bits_per_key);

// A filter to be asked: a view of bytes that outlive it. Reading is safe on any thread.
class BloomFilter {
 public:
  // None yet; holds everything.
  BloomFilter() = default;

  // `bytes` is what BuildFilter gave, and may come straight from disk; `where` says what holds it,
  // for the text of errors. CORRUPTION if the bytes are no filter, INCOMPATIBLE if a later version
  // made it.
  static Status Open(Bytes bytes, const std::string& where, BloomFilter* filter);

  // False if the key of that hash is not in the set; true if it is, and now and then if it is not.
  [[nodiscard]] bool MayHold(const Hash64& hash) const {
    if (lines_ == nullptr) return true;
    const uint8_t* line = LineOf(hash);
    uint32_t bits = hash.low;
    for (uint32_t probe = 0; probe < probes_; probe++) {
      if ((line[bits >> 26] >> (bits >> 23 & 7) & 1) == 0) return false;
      bits *= kGoldenRatio;
    }
    return true;
  }
  // Asks the processor for the one line that MayHold will look at.
  void Prefetch(const Hash64& hash) const {
    if (lines_ != nullptr) __builtin_prefetch(LineOf(hash));
  }

 private:
  friend std::vector<uint8_t> BuildFilter(std::span<const Hash64> hashes, uint32_t bits_per_key);

  static constexpr size_t kLineBytes = 64;
  // The next bit of a key, and the line of it, come from the highest bits of products with this
  // (Knuth, TAOCP 3, section 6.4).
  static constexpr uint32_t kGoldenRatio = 0x9e3779b9;

  [[nodiscard]] static size_t LineStart(uint32_t high, uint32_t line_count) {
    return kLineBytes * static_cast<size_t>(uint64_t{high} * line_count >> 32);
  }
  [[nodiscard]] const uint8_t* LineOf(const Hash64& hash) const {
    return lines_ + LineStart(hash.high, line_count_);
  }

  const uint8_t* lines_ = nullptr;
  uint32_t line_count_ = 0;
  uint32_t probes_ = 0;
};

}  // namespace bedplate::bloom

#endif  // BEDPLATE_BLOOM_FILTER_H_
