// Entries of a range behind each other in one piece of memory, so that a whole block crosses a
// boundary at the price of one value.
#ifndef BEDPLATE_ORDERED_BLOCK_H_
#define BEDPLATE_ORDERED_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/bytes.h"
#include "core/little_endian.h"
#include "core/spill_buffer.h"

namespace bedplate::ordered {

inline constexpr size_t kEntryHeaderBytes = 8;

// `count` entries: keyLength u32 | valueLength u32 | key | value.
struct Block {
  [[nodiscard]] Bytes bytes() const { return buffer.bytes(); }
  // The key of the last entry, if there is one.
  [[nodiscard]] Bytes last_key() const {
    const uint8_t* at = bytes().data() + last_entry_at;
    return {at + kEntryHeaderBytes, LoadU32(at)};
  }
  // Begins anew, in `space` if it fits there.
  void Reset(std::span<uint8_t> space = {}) {
    buffer.Reset(space);
    count = 0;
  }
  // Adds an entry and gives where its key goes, with its value behind it.
  [[nodiscard]] uint8_t* Append(uint32_t key_length, uint32_t value_length) {
    last_entry_at = buffer.length();
    uint8_t* at = buffer.Extend(kEntryHeaderBytes + size_t{key_length} + value_length);
    StoreU32(at, key_length);
    StoreU32(at + 4, value_length);
    count++;
    return at + kEntryHeaderBytes;
  }

  SpillBuffer buffer;
  uint32_t count = 0;
  // Where the last entry begins, if there is one.
  size_t last_entry_at = 0;
};

// What a block may hold. It always gets one entry, if there is one, however large.
struct BlockLimits {
  uint64_t entries = UINT64_MAX;
  size_t bytes = SIZE_MAX;
};

}  // namespace bedplate::ordered

#endif  // BEDPLATE_ORDERED_BLOCK_H_
