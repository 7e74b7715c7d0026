// Arithmetic on CRC-32C states, which are polynomials over GF(2) modulo the Castagnoli polynomial.
//
// Everything is reflected: bit 31 is the coefficient of x^0. Appending a zero bit to a message
// multiplies its state by x.
#ifndef BEDPLATE_CRC32C_POLYNOMIAL_H_
#define BEDPLATE_CRC32C_POLYNOMIAL_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bedplate::crc32c {

inline constexpr uint32_t kPolynomial = 0x82f63b78;

// value * x
constexpr uint32_t TimesX(uint32_t value) {
  return (value & 1) != 0 ? (value >> 1) ^ kPolynomial : value >> 1;
}

constexpr uint32_t Multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  // Invariant: b is the original b times x^i, for the i-th coefficient of a.
  for (uint32_t coefficient = uint32_t{1} << 31; coefficient != 0; coefficient >>= 1) {
    if ((a & coefficient) != 0) product ^= b;
    b = TimesX(b);
  }
  return product;
}

// Appends kByteCount zero bytes to a message, given its state: multiplies by x^(8 * kByteCount).
// The map is linear, so the images of the four bytes of a state add up to the image of the whole.
template <size_t kByteCount>
class ZeroBytes {
  static_assert(std::has_single_bit(kByteCount), "found by squaring x^8");

 public:
  constexpr ZeroBytes() {
    uint32_t factor = uint32_t{1} << (31 - 8);  // x^8
    for (size_t count = 1; count < kByteCount; count *= 2) factor = Multiply(factor, factor);
    for (size_t position = 0; position < 4; position++) FillTable(position, factor);
  }

  constexpr uint32_t AppendTo(uint32_t state) const {
    return tables_[0][state & 0xff] ^ tables_[1][(state >> 8) & 0xff] ^
           tables_[2][(state >> 16) & 0xff] ^ tables_[3][state >> 24];
  }

 private:
  constexpr void FillTable(size_t position, uint32_t factor) {
    std::array<uint32_t, 256>& table = tables_[position];
    for (uint32_t byte = 1; byte < 256; byte++) {
      // A byte is its lowest set bit plus a smaller byte, whose image is already known.
      const uint32_t rest = byte & (byte - 1);
      const bool is_single_bit = rest == 0;
      table[byte] = is_single_bit ? Multiply(byte << (8 * position), factor)
                                  : table[rest] ^ table[byte ^ rest];
    }
  }

  std::array<std::array<uint32_t, 256>, 4> tables_{};
};

}  // namespace bedplate::crc32c

#endif  // BEDPLATE_CRC32C_POLYNOMIAL_H_
