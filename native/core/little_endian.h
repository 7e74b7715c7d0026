// Numbers of the on-disk formats: little-endian, at any offset.
#ifndef BEDPLATE_CORE_LITTLE_ENDIAN_H_
#define BEDPLATE_CORE_LITTLE_ENDIAN_H_

#include <cstdint>
#include <cstring>

#include "core/bytes.h"

namespace bedplate {

[[nodiscard]] inline uint16_t LoadU16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

[[nodiscard]] inline uint32_t LoadU32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Six bytes: page numbers and epochs.
[[nodiscard]] inline uint64_t LoadU48(const uint8_t* at) {
  return uint64_t{LoadU32(at)} | uint64_t{LoadU16(at + 4)} << 32;
}

[[nodiscard]] inline uint64_t LoadU64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline void StoreU16(uint8_t* at, uint16_t value) { std::memcpy(at, &value, sizeof value); }
inline void StoreU32(uint8_t* at, uint32_t value) { std::memcpy(at, &value, sizeof value); }
inline void StoreU64(uint8_t* at, uint64_t value) { std::memcpy(at, &value, sizeof value); }

inline void StoreU48(uint8_t* at, uint64_t value) {
  StoreU32(at, static_cast<uint32_t>(value));
  StoreU16(at + 4, static_cast<uint16_t>(value >> 32));
}

}  // namespace bedplate

#endif  // BEDPLATE_CORE_LITTLE_ENDIAN_H_
