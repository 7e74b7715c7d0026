#ifndef BEDPLATE_CORE_BYTES_H_
#define BEDPLATE_CORE_BYTES_H_

#include <bit>
#include <cstdint>
#include <span>

namespace bedplate {

// Every on-disk format is little-endian and is read in place.
static_assert(std::endian::native == std::endian::little, "bedplate needs a little-endian host");

// Bytes that somebody else owns.
using Bytes = std::span<const uint8_t>;

}  // namespace bedplate

#endif  // BEDPLATE_CORE_BYTES_H_
