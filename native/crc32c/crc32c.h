// CRC-32C (Castagnoli), reflected polynomial 0x82f63b78: RFC 3720 section 12.1 and appendix B.4.
//
// All functions continue from `crc`, the CRC of what came before (0 at the start), so that
// Extend(Extend(0, a), b) is the CRC of a followed by b. They only read and are safe on any thread.
#ifndef BEDPLATE_CRC32C_CRC32C_H_
#define BEDPLATE_CRC32C_CRC32C_H_

#include <cstdint>

#include "core/bytes.h"

namespace bedplate::crc32c {

// The fastest way this machine has, found at the first call.
[[nodiscard]] uint32_t Extend(uint32_t crc, Bytes bytes);

// What Extend uses: "sse4.2", "armv8" or "portable".
[[nodiscard]] const char* ImplementationName();

// Slicing-by-8, for any little-endian machine.
[[nodiscard]] uint32_t ExtendPortable(uint32_t crc, Bytes bytes);

// The CRC instructions of the processor. May be called only if HardwareName() is not null.
[[nodiscard]] uint32_t ExtendHardware(uint32_t crc, Bytes bytes);

// The name of the instruction set with CRC instructions that this processor has; null if none.
[[nodiscard]] const char* HardwareName();

}  // namespace bedplate::crc32c

#endif  // BEDPLATE_CRC32C_CRC32C_H_
