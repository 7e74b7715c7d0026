// CRC-32C by the processor's own instructions, three streams at a time.
//
// A CRC instruction takes about three cycles but a new one can start in each, so a single chain of
// them leaves two thirds of the unit idle. Long inputs are therefore cut into three neighbouring
// streams that run side by side and are joined afterwards (Gopal et al., "Fast CRC Computation for
// iSCSI Polynomial Using CRC32 Instruction", Intel, 2011).
#include <cstring>

#include "crc32c/crc32c.h"
#include "crc32c/polynomial.h"

// Gives the instruction set's name, whether the processor has it, and one step over 1 and 8 bytes.
// CRC_TARGET lets single functions use instructions that the rest of the program must not assume.
#if defined(__x86_64__) || defined(_M_X64)

#include <nmmintrin.h>

#if defined(_MSC_VER)
#include <intrin.h>
#define CRC_TARGET
#else
#define CRC_TARGET __attribute__((target("sse4.2")))
#endif

namespace bedplate::crc32c {
namespace {

constexpr const char* kName = "sse4.2";

bool IsSupported() {
#if defined(_MSC_VER)
  constexpr int kSse42Bit = 1 << 20;
  int registers[4] = {};
  __cpuid(registers, 1);
  return (registers[2] & kSse42Bit) != 0;
#else
  return __builtin_cpu_supports("sse4.2") != 0;
#endif
}

CRC_TARGET inline uint32_t Step(uint32_t state, uint8_t byte) { return _mm_crc32_u8(state, byte); }

CRC_TARGET inline uint32_t Step(uint32_t state, uint64_t word) {
  return static_cast<uint32_t>(_mm_crc32_u64(state, word));
}

}  // namespace
}  // namespace bedplate::crc32c

#elif defined(__aarch64__)

#include <arm_acle.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__ARM_FEATURE_CRC32)
#define CRC_TARGET
#elif defined(__clang__)
#define CRC_TARGET __attribute__((target("crc")))
#else
#define CRC_TARGET __attribute__((target("+crc")))
#endif

namespace bedplate::crc32c {
namespace {

constexpr const char* kName = "armv8";

bool IsSupported() {
#if defined(__ARM_FEATURE_CRC32)
  return true;  // the whole program is compiled for processors that have it, as on macOS
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
  return false;
#endif
}

CRC_TARGET inline uint32_t Step(uint32_t state, uint8_t byte) { return __crc32cb(state, byte); }

CRC_TARGET inline uint32_t Step(uint32_t state, uint64_t word) { return __crc32cd(state, word); }

}  // namespace
}  // namespace bedplate::crc32c

#else
#define CRC_WITHOUT_HARDWARE
#endif

namespace bedplate::crc32c {

#if defined(CRC_WITHOUT_HARDWARE)

const char* HardwareName() { return nullptr; }

uint32_t ExtendHardware(uint32_t crc, Bytes bytes) { return ExtendPortable(crc, bytes); }

#else

namespace {

// Bytes a stream. The long one keeps joins rare, the short one serves what is left and small pages.
constexpr size_t kLongStream = 2048;
constexpr size_t kShortStream = 256;

inline uint64_t Load64(const uint8_t* bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// Takes groups of three streams from the front of `rest` while it holds one.
template <size_t kStream>
CRC_TARGET uint32_t ExtendByThree(uint32_t state, Bytes& rest) {
  static constexpr ZeroBytes<kStream> kNextStream;
  for (; rest.size() >= 3 * kStream; rest = rest.subspan(3 * kStream)) {
    const uint8_t* const first = rest.data();
    uint32_t second_state = 0;
    uint32_t third_state = 0;
    for (size_t i = 0; i < kStream; i += sizeof(uint64_t)) {
      state = Step(state, Load64(first + i));
      second_state = Step(second_state, Load64(first + kStream + i));
      third_state = Step(third_state, Load64(first + 2 * kStream + i));
    }
    state = kNextStream.AppendTo(state) ^ second_state;
    state = kNextStream.AppendTo(state) ^ third_state;
  }
  return state;
}

}  // namespace

const char* HardwareName() { return IsSupported() ? kName : nullptr; }

CRC_TARGET uint32_t ExtendHardware(uint32_t crc, Bytes bytes) {
  uint32_t state = ~crc;
  state = ExtendByThree<kLongStream>(state, bytes);
  state = ExtendByThree<kShortStream>(state, bytes);
  for (; bytes.size() >= sizeof(uint64_t); bytes = bytes.subspan(sizeof(uint64_t))) {
    state = Step(state, Load64(bytes.data()));
  }
  for (const uint8_t byte : bytes) state = Step(state, byte);
  return ~state;
}

#endif

}  // namespace bedplate::crc32c
