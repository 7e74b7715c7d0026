#ifndef BEDPLATE_CORE_CLOCK_H_
#define BEDPLATE_CORE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace bedplate {

// Milliseconds since some moment in the past; never goes back.
inline uint64_t MonotonicMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace bedplate

#endif  // BEDPLATE_CORE_CLOCK_H_
