// SHA-1 (FIPS 180-4, 6.1): names of scripts. It guards nothing.

const K = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6]

/** The digest of a string of bytes as 40 hexadecimal digits. */
export function sha1Hex(text: string): string {
  const { length } = text
  const bytes = Buffer.alloc(((length + 8) >>> 6) * 64 + 64)
  bytes.write(text, 'latin1')
  bytes[length] = 0x80
  bytes.writeBigUInt64BE(BigInt(length) * 8n, bytes.length - 8)
  const hash = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0)
  const words = new Int32Array(80)
  for (let at = 0; at < bytes.length; at += 64) addBlock(hash, words, bytes, at)
  return [...hash].map((word) => word.toString(16).padStart(8, '0')).join('')
}

function addBlock(hash: Uint32Array, words: Int32Array, bytes: Buffer, at: number): void {
  for (let i = 0; i < 16; i++) words[i] = bytes.readInt32BE(at + 4 * i)
  for (let i = 16; i < 80; i++) {
    const mixed =
      (words[i - 3] as number) ^ (words[i - 8] as number) ^ (words[i - 14] as number) ^ (words[i - 16] as number)
    words[i] = (mixed << 1) | (mixed >>> 31)
  }
  let [a, b, c, d, e] = hash as unknown as [number, number, number, number, number]
  for (let i = 0; i < 80; i++) {
    const round = Math.floor(i / 20)
    const chosen = round === 0 ? (b & c) | (~b & d) : round === 2 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d
    const next = (((a << 5) | (a >>> 27)) + chosen + e + (K[round] as number) + (words[i] as number)) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (const [index, value] of [a, b, c, d, e].entries()) hash[index] = ((hash[index] as number) + value) | 0
}
