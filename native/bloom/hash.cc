#include "bloom/hash.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "core/little_endian.h"

namespace bedplate::bloom {
namespace {

constexpr uint32_t kHighSeed = 0x9747b28c;
constexpr uint32_t kLowSeed = 0x3c6ef372;

// Lets every bit change every other one (the finalizer of Appleby's MurmurHash3).
uint32_t Mix(uint32_t value) {
  value ^= value >> 16;
  value *= 0x85ebca6b;
  value ^= value >> 13;
  value *= 0xc2b2ae35;
  return value ^ (value >> 16);
}

void AddWord(uint32_t word, Hash64* hash) {
  hash->high = std::rotl(hash->high ^ (word * 0xcc9e2d51), 15) * 0x1b873593 + hash->low;
  hash->low = std::rotl(hash->low ^ (word * 0x85ebca77), 13) * 0xc2b2ae3d + hash->high;
}

}  // namespace

Hash64 HashOf(Bytes bytes) {
  const auto length = static_cast<uint32_t>(bytes.size());
  Hash64 hash{kHighSeed ^ length, kLowSeed ^ length};
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) AddWord(LoadU32(bytes.data() + at), &hash);
  if (at < bytes.size()) {
    uint32_t last = 0;  // padded with zeros
    std::memcpy(&last, bytes.data() + at, bytes.size() - at);
    AddWord(last, &hash);
  }
  hash.high = Mix(hash.high + std::rotl(hash.low, 7));
  hash.low = Mix(hash.low + hash.high);
  return hash;
}

}  // namespace bedplate::bloom
