// The hash of a key, 64 bits in two halves of 32: only multiplications and rotations of 32 bits, so that C++ and JavaScript
// give the same numbers at full speed. Not for secrets: whoever chooses the keys can make them collide, which costs a filter
// its use and nothing else. To the byte: docs/formats/bloom.md.

/** 64 bits; each half is an unsigned 32-bit number. */
export interface Hash64 {
  readonly high: number
  readonly low: number
}

const HIGH_SEED = 0x9747b28c
const LOW_SEED = 0x3c6ef372

/** Hashes any bytes, including none. O(length), no memory but the answer. */
export function hash64(bytes: Uint8Array): Hash64 {
  const { length } = bytes
  let high = HIGH_SEED ^ length
  let low = LOW_SEED ^ length
  for (let i = 0; i < length; i += 4) {
    // Past the end an index gives undefined, and that counts as 0: the last word is padded with zeros.
    const word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24)
    high = (Math.imul(rotate(high ^ Math.imul(word, 0xcc9e2d51), 15), 0x1b873593) + low) | 0
    low = (Math.imul(rotate(low ^ Math.imul(word, 0x85ebca77), 13), 0xc2b2ae3d) + high) | 0
  }
  high = mix((high + rotate(low, 7)) | 0)
  low = mix((low + high) | 0)
  return { high: high >>> 0, low: low >>> 0 }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** Lets every bit change every other one (the finalizer of Appleby's MurmurHash3). */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
