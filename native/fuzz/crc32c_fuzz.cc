// The first byte picks a split, four more a CRC to start from; the rest is the message. All
// implementations must agree, whole and split.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "crc32c/crc32c.h"

namespace {

using bedplate::Bytes;
using Function = uint32_t (*)(uint32_t crc, Bytes bytes);

void CheckSplit(Function extend, uint32_t initial, Bytes message, size_t split, uint32_t expected) {
  if (extend(extend(initial, message.first(split)), message.subspan(split)) != expected) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeaderSize = 5;
  if (size < kHeaderSize) return 0;
  uint32_t initial = 0;
  std::memcpy(&initial, data + 1, sizeof(initial));
  const Bytes message(data + kHeaderSize, size - kHeaderSize);
  const size_t split = message.size() * data[0] / 256;
  const uint32_t expected = bedplate::crc32c::ExtendPortable(initial, message);
  CheckSplit(bedplate::crc32c::ExtendPortable, initial, message, split, expected);
  CheckSplit(bedplate::crc32c::Extend, initial, message, split, expected);
  if (bedplate::crc32c::Extend(initial, message) != expected) std::abort();
  return 0;
}
