import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../ts/io/random.ts'
import { loadNative } from '../../../ts/native/loader.ts'
import { BloomFilter, FilterBuilder, hash64 } from '../../../ts/storage/bloom/index.ts'
import { codeOf } from '../../support/errors.ts'

describe('the hash', () => {
  it('is what the format page says', () => {
    const hex = (text: string): string[] => {
      const { high, low } = hash64(Buffer.from(text))
      return [high, low].map((half) => half.toString(16).padStart(8, '0'))
    }
    expect(['', 'a', 'bedplate'].map(hex)).toMatchInlineSnapshot(`
      [
        [
          "22bd8874",
          "5b4a5402",
        ],
        [
          "3a28ef8e",
          "88bf4c73",
        ],
        [
          "a7e74c49",
          "3cdb4bd1",
        ],
      ]
    `)
  })

  it('depends on every bit of the key, about half of its own bits changing with each', () => {
    const key = Buffer.from('a key of some length')
    const original = hash64(key)
    let changed = 0
    for (let bit = 0; bit < key.length * 8; bit++) {
      const other = Buffer.from(key)
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7))
      const { high, low } = hash64(other)
      const bits = bitCount(high ^ original.high) + bitCount(low ^ original.low)
      expect(bits).toBeGreaterThan(8)
      changed += bits
    }
    expect(changed / (key.length * 8) / 32).toBeCloseTo(1, 1)
  })

  it('tells a key from the same one with zeros behind it', () => {
    const hashes = Array.from({ length: 9 }, (_, length) => hash64(new Uint8Array(length)))
    expect(new Set(hashes.map(({ high, low }) => `${high} ${low}`)).size).toBe(9)
  })
})

describe('a Bloom filter', () => {
  it('never denies a key that is in it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        (keys, bits) => {
          const filter = new BloomFilter(buildFilter(hashesOf(keys), bits), 'test')
          return keys.every((key) => filter.mayHold(hash64(key)))
        },
      ),
    )
  })

  it.each([
    ['short sequential keys', (i: number) => Buffer.from(String(i))],
    ['keys with a long common beginning', (i: number) => Buffer.from(`user:00000000:session:${i}`)],
    ['big-endian numbers', numberKey],
    ['random bytes', (i: number) => Buffer.from(seededRandom(i).bytes(16))],
  ])('lets strangers pass within 1.2 times what theory allows: %s', (_, keyOf) => {
    const keyCount = 50_000
    const strangers = 250_000
    const filter = new BloomFilter(
      buildFilter(hashesOf(Array.from({ length: keyCount }, (_, i) => keyOf(i))), 10),
      'test',
    )
    let passed = 0
    for (let i = 0; i < strangers; i++) if (filter.mayHold(hash64(keyOf(keyCount + i)))) passed++
    const theory = theoreticalRate(10, 6)
    expect(theory).toBeCloseTo(0.0095, 3)
    expect(passed / strangers).toBeLessThan(1.2 * theory)
  })

  it('of no keys holds nothing', () => {
    const filter = new BloomFilter(buildFilter(new Uint32Array(0), 10), 'test')
    expect([filter.mayHold(hash64(Buffer.from('a'))), filter.mayHold(hash64(new Uint8Array(0)))]).toEqual([
      false,
      false,
    ])
  })

  it('refuses bytes that are none', () => {
    const good = buildFilter(hashesOf([Buffer.from('a')]), 10)
    const changed = (at: number, value: number): Uint8Array => {
      const bytes = Uint8Array.from(good)
      bytes[at] = value
      return bytes
    }
    const codes = [
      good.subarray(0, 63),
      good.subarray(0, good.length - 1),
      changed(0, 0),
      changed(4, 2),
      changed(7, 0xff),
      changed(8, 0),
      changed(8, 17),
      changed(9, 2),
    ].map((bytes) => codeOf(() => new BloomFilter(bytes, 'test')))
    expect(codes).toEqual([...Array.from({ length: 7 }, () => 'CORRUPTION'), 'INCOMPATIBLE'])
  })
})

const addon = loadNative()
if (addon !== undefined) {
  describe('the native filter', () => {
    it('has the bytes of its twin, and gives its answers', () => {
      const property = fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.uint8Array({ maxLength: 4000 }),
        fc.uint8Array({ maxLength: 4000 }),
        fc.integer({ min: 1, max: 64 }),
        (keyBytes, content, others, bitsPerKey) => {
          const keys = splitKeys(content, keyBytes)
          const bytes = addon.buildBloomFilter(content, keyBytes, bitsPerKey)
          expect(Buffer.from(bytes)).toEqual(Buffer.from(buildFilter(hashesOf(keys), bitsPerKey)))
          const twin = new BloomFilter(bytes, 'test')
          const expected = splitKeys(others, keyBytes).filter((key) => twin.mayHold(hash64(key))).length
          expect(addon.countBloomMatches(bytes, others, keyBytes)).toBe(expected)
        },
      )
      fc.assert(property)
    })
  })
}

function splitKeys(content: Uint8Array, keyBytes: number): Uint8Array[] {
  const count = Math.floor(content.length / keyBytes)
  return Array.from({ length: count }, (_, i) => content.subarray(i * keyBytes, (i + 1) * keyBytes))
}

function hashesOf(keys: readonly Uint8Array[]): Uint32Array {
  return Uint32Array.from(
    keys.flatMap((key) => {
      const { high, low } = hash64(key)
      return [high, low]
    }),
  )
}

function numberKey(number: number): Uint8Array {
  const key = Buffer.alloc(8)
  key.writeUInt32BE(number, 4)
  return key
}

function bitCount(value: number): number {
  let count = 0
  for (let rest = value >>> 0; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}

/** docs/formats/bloom.md, "False positives". */
function theoreticalRate(bitsPerKey: number, probes: number): number {
  const mean = 512 / bitsPerKey
  let rate = 0
  let poisson = Math.exp(-mean)
  for (let i = 0; i < 400; i++) {
    rate += poisson * (1 - (1 - 1 / 512) ** (probes * i)) ** probes
    poisson *= mean / (i + 1)
  }
  return rate
}

/** In two steps, which make the same filter as one. */
function buildFilter(hashes: Uint32Array, bitsPerKey: number): Uint8Array {
  const builder = new FilterBuilder(hashes.length / 2, bitsPerKey)
  const half = 2 * Math.floor(hashes.length / 4)
  builder.add(hashes.subarray(half))
  builder.add(hashes.subarray(0, half))
  return builder.bytes
}
