// Repeatable randomness, for simulations: the same numbers as seededRandom of ts/io/random.ts. Not
// for secrets.
#ifndef BEDPLATE_CORE_RANDOM_H_
#define BEDPLATE_CORE_RANDOM_H_

#include <cstdint>

namespace bedplate {

// sfc32, by Chris Doty-Humphrey ("PractRand"). Equal seeds give equal sequences.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed)
      : a_(static_cast<uint32_t>(seed)), b_(static_cast<uint32_t>(seed >> 32)) {
    for (int i = 0; i < 12; i++) NextUint32();
  }

  uint32_t NextUint32() {
    const uint32_t result = a_ + b_ + counter_++;
    a_ = b_ ^ (b_ >> 9);
    b_ = c_ + (c_ << 3);
    c_ = ((c_ << 21) | (c_ >> 11)) + result;
    return result;
  }

  // In [0, 1).
  double Next() { return NextUint32() * 0x1p-32; }

  // A whole number in [0, bound), for bounds up to 2^32.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>(Next() * static_cast<double>(bound));
  }

 private:
  uint32_t a_;
  uint32_t b_;
  uint32_t c_ = 0x9e3779b9;
  uint32_t counter_ = 1;
};

}  // namespace bedplate

#endif  // BEDPLATE_CORE_RANDOM_H_
