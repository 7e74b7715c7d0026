// The hash of a key, 64 bits in two halves of 32: only multiplications and rotations of 32 bits, so
// that C++ and JavaScript give the same numbers at full speed. Not for secrets: whoever chooses the
// keys can make them collide, which costs a filter its use and nothing else. To the byte:
// docs/formats/bloom.md; the twin is ts/storage/bloom/hash.ts.
#ifndef BEDPLATE_BLOOM_HASH_H_
#define BEDPLATE_BLOOM_HASH_H_

#include <cstdint>

#include "core/bytes.h"

namespace bedplate::bloom {

struct Hash64 {
  uint32_t high = 0;
  uint32_t low = 0;

  friend bool operator==(const Hash64&, const Hash64&) = default;
};

// Hashes any bytes, including none. O(length). Any thread.
[[nodiscard]] Hash64 HashOf(Bytes bytes);

}  // namespace bedplate::bloom

#endif  // BEDPLATE_BLOOM_HASH_H_
