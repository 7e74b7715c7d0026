// MD5 (Rivest, RFC 1321, 1992), for ketama alone, which was defined by it. Not for secrets.
//
// Here rather than from node:crypto: engines import nothing of Node's, builds for FIPS refuse MD5, and for short keys making a hash
// object takes longer than the hash.

const SHIFTS = Int32Array.of(7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21)
/** RFC 1321, §3.4: the integer part of 2^32 times the sine of 1 to 64. */
const SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0)
const BLOCK_BYTES = 64

const block = new Int32Array(BLOCK_BYTES / 4)

/** The digest as four words: the first is that of its first four bytes, the lowest first. O(length). */
export function md5(bytes: Uint8Array): Uint32Array {
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  const { length } = bytes
  const blockCount = Math.floor((length + 8) / BLOCK_BYTES) + 1
  for (let i = 0; i < blockCount; i++) {
    load(bytes, i * BLOCK_BYTES)
    if (i === blockCount - 1) {
      block[14] = length << 3
      block[15] = Math.floor(length / 2 ** 29)
    }
    compress(state)
  }
  return Uint32Array.from(state, (word) => word >>> 0)
}

/** Puts a block where it is worked on: after the last byte comes 0x80, then zeros. */
function load(bytes: Uint8Array, start: number): void {
  const { length } = bytes
  for (let word = 0; word < block.length; word++) {
    const first = start + 4 * word
    let value = 0
    if (first <= length) {
      for (let at = first + 3; at >= first; at--) {
        value = (value << 8) | (at < length ? (bytes[at] as number) : at === length ? 0x80 : 0)
      }
    }
    block[word] = value
  }
}

/** RFC 1321, §3.4: four rounds of sixteen steps. A step is written out in each, since a call of a function a step would be most of it. */
function compress(state: Int32Array): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number]
  for (let i = 0; i < 16; i++) {
    const sum = (a + ((b & c) | (~b & d)) + (SINES[i] as number) + (block[i] as number)) | 0
    const shift = SHIFTS[i & 3] as number
    a = d
    d = c
    c = b
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
  }
  for (let i = 16; i < 32; i++) {
    const sum = (a + ((d & b) | (~d & c)) + (SINES[i] as number) + (block[(5 * i + 1) & 15] as number)) | 0
    const shift = SHIFTS[4 + (i & 3)] as number
    a = d
    d = c
    c = b
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
  }
  for (let i = 32; i < 48; i++) {
    const sum = (a + (b ^ c ^ d) + (SINES[i] as number) + (block[(3 * i + 5) & 15] as number)) | 0
    const shift = SHIFTS[8 + (i & 3)] as number
    a = d
    d = c
    c = b
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
  }
  for (let i = 48; i < 64; i++) {
    const sum = (a + (c ^ (b | ~d)) + (SINES[i] as number) + (block[(7 * i) & 15] as number)) | 0
    const shift = SHIFTS[12 + (i & 3)] as number
    a = d
    d = c
    c = b
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
  }
  state[0] = (state[0] as number) + a
  state[1] = (state[1] as number) + b
  state[2] = (state[2] as number) + c
  state[3] = (state[3] as number) + d
}
