#include "crc32c/crc32c.h"

namespace bedplate::crc32c {

uint32_t Extend(uint32_t crc, Bytes bytes) {
  static const bool has_hardware = HardwareName() != nullptr;
  return has_hardware ? ExtendHardware(crc, bytes) : ExtendPortable(crc, bytes);
}

const char* ImplementationName() {
  const char* hardware = HardwareName();
  return hardware != nullptr ? hardware : "portable";
}

}  // namespace bedplate::crc32c
