"""CRC-32C (Castagnoli) from its definition: polynomial 0x1EDC6F41, reflected, initial value and final exclusive-or
0xFFFFFFFF (RFC 3720, section 12.1). One byte a step, deliberately unlike the product.

As a program: prints the CRC of standard input as eight hexadecimal digits.
"""

import sys

REFLECTED_POLYNOMIAL = 0x82F63B78


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (REFLECTED_POLYNOMIAL if byte & 1 else 0)
    return byte


_REMAINDERS = [_remainder(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _REMAINDERS[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


if __name__ == "__main__":
    print(f"{crc32c(sys.stdin.buffer.read()):08x}")
