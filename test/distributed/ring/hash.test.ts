// The hashes that rings stand on, against what is published of them and against other ways to compute them.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { murmur3 } from '../../../ts/distributed/ring/hash.ts'
import { hashKey, jumpHash, jumpHash64, positionOf } from '../../../ts/distributed/ring/index.ts'
import { md5 } from '../../../ts/distributed/ring/md5.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { codeOf } from '../../support/errors.ts'

describe('the hash of keys', () => {
  it('is MurmurHash3_x86_128: the verification value of SMHasher', () => {
    const hashes: number[] = []
    for (let length = 0; length < 256; length++) {
      const words = murmur3(
        Uint8Array.from({ length }, (_, i) => i),
        256 - length,
      )
      for (const word of words) hashes.push(word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24)
    }
    expect(murmur3(Uint8Array.from(hashes), 0)[0]).toBe(0xb3ece62a)
  })

  it('takes text for its UTF-8, ASCII or not, at every length', () => {
    for (let length = 0; length < 70; length++) {
      for (const text of [
        'a'.repeat(length),
        `${'a'.repeat(length)}ü`,
        `🙂${'b'.repeat(length)}`,
        `\u007f\u0080${length}`,
      ]) {
        const bytes = new TextEncoder().encode(text)
        expect(hashKey(text)).toEqual(hashKey(bytes))
        const [first, second] = murmur3(bytes, 0)
        expect(hashKey(text)).toEqual({ high: second, low: first })
      }
    }
  })

  it('gives a position of its first 53 bits', () => {
    for (let i = 0; i < 1000; i++) {
      const { high, low } = hashKey(`key ${i}`)
      expect(BigInt(positionOf(`key ${i}`))).toBe(((BigInt(high) << 32n) | BigInt(low)) >> 11n)
    }
  })

  it('refuses what is no key', () => {
    for (const key of [1, null, undefined, ['a'], new ArrayBuffer(2)]) {
      expect(codeOf(() => positionOf(key as unknown as string))).toBe('INVALID_INPUT')
    }
  })
})

describe('MD5', () => {
  it('is that of node:crypto at every length', () => {
    for (let length = 0; length < 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 0xff)
      const expected = createHash('md5').update(bytes).digest()
      expect([...md5(bytes)]).toEqual([0, 4, 8, 12].map((at) => expected.readUInt32LE(at)))
    }
  })
})

describe('jump hash', () => {
  it.each([
    [1, 1, 0],
    [42, 57, 43],
    [0xdead10cc, 1, 0],
    [0xdead10cc, 666, 361],
    [256, 1024, 520],
  ])('of %i in %i buckets is %i, as other implementations say', (low, count, bucket) => {
    expect(jumpHash64({ high: 0, low }, count)).toBe(bucket)
  })

  it("is the paper's function in 64-bit arithmetic", () => {
    const random = seededRandom(1)
    for (let i = 0; i < 3000; i++) {
      const key = { high: Math.floor(random.next() * 2 ** 32), low: Math.floor(random.next() * 2 ** 32) }
      const count = 1 + Math.floor(random.next() ** 8 * (2 ** 31 - 2))
      expect(jumpHash64(key, count)).toBe(paperJump((BigInt(key.high) << 32n) | BigInt(key.low), count))
    }
  })

  it('moves one key in n + 1 to the new bucket, and none elsewhere', () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`)
    for (const count of [1, 2, 9, 100]) {
      let moved = 0
      const targets = new Set<number>()
      for (const key of keys) {
        const [before, after] = [jumpHash(key, count), jumpHash(key, count + 1)]
        if (before === after) continue
        targets.add(after)
        moved++
      }
      expect([...targets]).toEqual([count])
      expect((moved / keys.length) * (count + 1)).toBeGreaterThan(0.8)
      expect((moved / keys.length) * (count + 1)).toBeLessThan(1.2)
    }
  })

  it.each([0, -1, 1.5, 2 ** 31, Number.NaN])('refuses %d buckets', (count) => {
    expect(codeOf(() => jumpHash('key', count))).toBe('INVALID_INPUT')
  })
})

/** Lamping and Veach, figure 1, with the integers that it means. */
function paperJump(key: bigint, bucketCount: number): number {
  let state = key
  let bucket = -1
  let next = 0
  while (next < bucketCount) {
    bucket = next
    state = BigInt.asUintN(64, state * 2862933555777941757n + 1n)
    next = Math.floor((bucket + 1) * (2 ** 31 / Number((state >> 33n) + 1n)))
  }
  return bucket
}
