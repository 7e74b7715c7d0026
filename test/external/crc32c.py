"""CRC-32C (Castagnoli), bit by bit from its definition: polynomial 0x1EDC6F41, reflected, initial value and final
exclusive-or 0xFFFFFFFF (RFC 3720, section 12.1). Deliberately unlike the product's tables and instructions.

As a program: prints the CRC of standard input as eight hexadecimal digits.
"""

import sys

REFLECTED_POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (REFLECTED_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


if __name__ == "__main__":
    print(f"{crc32c(sys.stdin.buffer.read()):08x}")
