// What the fuzzers share.
#ifndef BEDPLATE_FUZZ_FUZZ_SUPPORT_H_
#define BEDPLATE_FUZZ_FUZZ_SUPPORT_H_

#include <cstdint>
#include <cstdlib>

#include "core/bytes.h"

namespace bedplate::fuzz {

// Ends the fuzzer, which keeps the input, unless `holds`.
inline void Require(bool holds) {
  if (!holds) std::abort();
}

// Touches every byte.
inline void Read(Bytes bytes) {
  volatile uint8_t seen = 0;
  for (const uint8_t byte : bytes) seen = byte;
  (void)seen;
}

}  // namespace bedplate::fuzz

#endif  // BEDPLATE_FUZZ_FUZZ_SUPPORT_H_
