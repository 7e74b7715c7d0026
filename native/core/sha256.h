// SHA-256: FIPS 180-4. For names, not for speed.
#ifndef BEDPLATE_CORE_SHA256_H_
#define BEDPLATE_CORE_SHA256_H_

#include <string>

#include "core/bytes.h"

namespace bedplate {

// The digest as 64 hexadecimal digits, in lower case.
[[nodiscard]] std::string Sha256Hex(Bytes bytes);

}  // namespace bedplate

#endif  // BEDPLATE_CORE_SHA256_H_
