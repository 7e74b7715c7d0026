#ifndef BEDPLATE_CORE_BYTES_H_
#define BEDPLATE_CORE_BYTES_H_

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

namespace bedplate {

// Every on-disk format is little-endian and is read in place.
static_assert(std::endian::native == std::endian::little, "bedplate needs a little-endian host");

// Bytes that somebody else owns.
using Bytes = std::span<const uint8_t>;

// The bytes of a text, and bytes as a text.
[[nodiscard]] inline Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace bedplate

#endif  // BEDPLATE_CORE_BYTES_H_
