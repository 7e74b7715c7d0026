// Slicing-by-8 (Kounavis and Berry, "Novel Table Lookup-Based Algorithms for High-Performance CRC
// Generation", IEEE Transactions on Computers, 2008). The TypeScript twin is
// ts/storage/crc32c/portable.ts.
#include <array>
#include <cstring>

#include "crc32c/crc32c.h"
#include "crc32c/polynomial.h"

namespace bedplate::crc32c {
namespace {

constexpr size_t kSliceCount = 8;
using Tables = std::array<std::array<uint32_t, 256>, kSliceCount>;

// tables[s][b] is the state after byte b and then s zero bytes.
constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t state = byte;
    for (int bit = 0; bit < 8; bit++) state = TimesX(state);
    tables[0][byte] = state;
  }
  for (size_t slice = 1; slice < kSliceCount; slice++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t previous = tables[slice - 1][byte];
      tables[slice][byte] = tables[0][previous & 0xff] ^ (previous >> 8);
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint32_t Load32(const uint8_t* bytes) {
  uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

}  // namespace

uint32_t ExtendPortable(uint32_t crc, Bytes bytes) {
  uint32_t state = ~crc;
  for (; bytes.size() >= kSliceCount; bytes = bytes.subspan(kSliceCount)) {
    const uint32_t low = state ^ Load32(bytes.data());
    const uint32_t high = Load32(bytes.data() + 4);
    state = kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^
            kTables[5][(low >> 16) & 0xff] ^ kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^
            kTables[2][(high >> 8) & 0xff] ^ kTables[1][(high >> 16) & 0xff] ^
            kTables[0][high >> 24];
  }
  for (const uint8_t byte : bytes) state = kTables[0][(state ^ byte) & 0xff] ^ (state >> 8);
  return ~state;
}

}  // namespace bedplate::crc32c
