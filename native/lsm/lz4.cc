#include "lsm/lz4.h"

#include <lz4.h>

#include <algorithm>
#include <limits>

namespace bedplate::lsm {

bool PackLz4(Bytes raw, size_t limit, std::vector<uint8_t>* packed) {
  if (raw.empty() || raw.size() > LZ4_MAX_INPUT_SIZE) return false;
  const size_t before = packed->size();
  const size_t room = std::min<size_t>(limit, std::numeric_limits<int>::max());
  packed->resize(before + room);
  // 0 if it does not fit.
  const int length = LZ4_compress_default(reinterpret_cast<const char*>(raw.data()),
                                          reinterpret_cast<char*>(packed->data() + before),
                                          static_cast<int>(raw.size()), static_cast<int>(room));
  packed->resize(before + static_cast<size_t>(std::max(length, 0)));
  return length > 0;
}

bool UnpackLz4(Bytes packed, std::span<uint8_t> raw) {
  constexpr size_t kMost = std::numeric_limits<int>::max();
  if (packed.empty() || packed.size() > kMost || raw.size() > kMost) return false;
  uint8_t nothing = 0;  // the library wants an address even for no bytes
  const int length =
      LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data()),
                          reinterpret_cast<char*>(raw.empty() ? &nothing : raw.data()),
                          static_cast<int>(packed.size()), static_cast<int>(raw.size()));
  return length >= 0 && static_cast<size_t>(length) == raw.size();
}

}  // namespace bedplate::lsm
