// CRC-64 as Redis ends its snapshots and dumps with it ("Jones"): reflected polynomial 0x95ac9329ac4bc9b5, from 0, nothing
// inverted. Slicing-by-8, each table in two halves of 32 bits, since V8 has no faster whole numbers.

const POLYNOMIAL_LOW = 0xac4bc9b5 | 0
const POLYNOMIAL_HIGH = 0x95ac9329 | 0

/** Eight tables of 256 in a row: entry `256 * s + b` is the state after byte b and then s zero bytes. */
const LOW = new Int32Array(2048)
const HIGH = new Int32Array(2048)

for (let byte = 0; byte < 256; byte++) {
  let [low, high] = [byte, 0]
  for (let bit = 0; bit < 8; bit++) {
    const isOdd = (low & 1) === 1
    low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (isOdd) {
      low ^= POLYNOMIAL_LOW
      high ^= POLYNOMIAL_HIGH
    }
  }
  LOW[byte] = low
  HIGH[byte] = high
}
for (let i = 256; i < 2048; i++) {
  const [low, high] = [LOW[i - 256] as number, HIGH[i - 256] as number]
  const byte = low & 0xff
  LOW[i] = ((low >>> 8) | (high << 24)) ^ (LOW[byte] as number)
  HIGH[i] = (high >>> 8) ^ (HIGH[byte] as number)
}

/**
 * A checksum in the making.
 *
 * @example
 * const crc = new Crc64()
 * crc.update(Buffer.from('123456789'))
 * crc.value() // 0xe9c6d914c4b8d9can
 */
export class Crc64 {
  #low = 0
  #high = 0

  /** Takes bytes in. O(length). */
  update(bytes: Uint8Array): void {
    let [low, high] = [this.#low, this.#high]
    let i = 0
    for (const end = bytes.length - 7; i < end; i += 8) {
      low ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
      high ^= bytes[i + 4]! | (bytes[i + 5]! << 8) | (bytes[i + 6]! << 16) | (bytes[i + 7]! << 24)
      const a = 0x700 + (low & 0xff)
      const b = 0x600 + ((low >>> 8) & 0xff)
      const c = 0x500 + ((low >>> 16) & 0xff)
      const d = 0x400 + (low >>> 24)
      const e = 0x300 + (high & 0xff)
      const f = 0x200 + ((high >>> 8) & 0xff)
      const g = 0x100 + ((high >>> 16) & 0xff)
      const h = high >>> 24
      low = LOW[a]! ^ LOW[b]! ^ LOW[c]! ^ LOW[d]! ^ LOW[e]! ^ LOW[f]! ^ LOW[g]! ^ LOW[h]!
      high = HIGH[a]! ^ HIGH[b]! ^ HIGH[c]! ^ HIGH[d]! ^ HIGH[e]! ^ HIGH[f]! ^ HIGH[g]! ^ HIGH[h]!
    }
    for (; i < bytes.length; i++) {
      const at = (low ^ bytes[i]!) & 0xff
      low = ((low >>> 8) | (high << 24)) ^ LOW[at]!
      high = (high >>> 8) ^ HIGH[at]!
    }
    this.#low = low
    this.#high = high
  }

  /** Of all bytes so far: 64 bits, unsigned. */
  value(): bigint {
    return (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0)
  }
}
