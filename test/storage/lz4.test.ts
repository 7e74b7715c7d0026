import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../ts/io/random.ts'
import { packLz4, unpackLz4 } from '../../ts/storage/lz4.ts'
import { mutate } from '../support/fuzz/mutate.ts'

/** What `LZ4_compress_default` of liblz4 1.9.4 makes of these texts. */
const BLOCKS: readonly [string, string][] = [
  ['', '00'],
  ['a'.repeat(13), '13610100506161616161'],
  ['ab'.repeat(50), '2f616202004a506261626162'],
  ['x'.repeat(300), '1f780100ff14507878787878'],
  [
    Array.from({ length: 40 }, (_, i) => `key ${i} value ${i * i}`).join(' '),
    [
      'e06b657920302076616c75652030200e0013310e0011310e0013320e0011340e0013330e0011390e0013340e002131360f00',
      '13350f002132350f0013360f0012331e0013370f0012343c0013380f001236590013390f0012387600143193002331309500',
      '05960013322200049900223134420014319c00223136620015319f00123982001531a10003a2001431a300233235220004a5',
      '00233238440004a700233332660004a90022333688001432aa001334aa001432aa00233434220004aa0022343844001432aa',
      '0022353266001432aa0022353788001432aa001336aa001432aa001436220004aa001437440004aa001437660004aa001338',
      '88001433aa001339aa001433aa001339cc001433aa00233130ef001433ab0023313012011433ac0023313135011433ad0023',
      '3132ae001433ae002331327b011433af002331339e011433b000233134c1011333b100502031353231',
    ].join(''),
  ],
  [
    '0123456789abcdef'.repeat(4100) + 'tail'.repeat(30),
    `ff01303132333435363738396162636465661000${'ff'.repeat(257)}1e4f7461696c04005c506c7461696c`,
  ],
]

describe('LZ4', () => {
  it.each(BLOCKS)('unpacks what the C library packed: %#', (text, block) => {
    const packed = Buffer.from(block, 'hex')
    expect(Buffer.from(unpackLz4(packed, text.length) ?? []).toString()).toBe(text)
    for (const length of [0, text.length - 1, text.length + 1].filter((each) => each >= 0 && each !== text.length))
      expect(unpackLz4(packed, length)).toBe(undefined)
  })

  it('unpacks what it packed, whatever that is, and packs by the rules of the format', () => {
    const words = fc.array(fc.constantFrom('key ', 'value', '\0\0\0\0', 'aaaaaaaaaaaaaaaaaaaaaaaaaaa', '{"id":'), {
      maxLength: 300,
    })
    const sources = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 2000, max: 3 }),
      words.map((all) => Uint8Array.from(Buffer.from(all.join('')))),
    )
    fc.assert(
      fc.property(sources, (source) => {
        const packed = packLz4(source, 2 * source.length + 10) as Uint8Array
        expect(unpackLz4(packed, source.length)).toEqual(source)
        expect(packLz4(source, packed.length)).toEqual(packed)
        expect(packLz4(source, packed.length - 1)).toBe(undefined)
        const matches = matchesOf(packed)
        expect(matches.every(({ at, length }) => at + 12 <= source.length && at + length + 5 <= source.length)).toBe(
          true,
        )
      }),
    )
  })

  it('packs far repetitions up to where the format ends', () => {
    const random = seededRandom(1)
    const piece = random.bytes(100)
    for (const [distance, isFound] of [
      [65_535, true],
      [65_536, false],
    ] as const) {
      // Nothing in between takes the place of the piece in the table of hashes: it is all one long match.
      const source = new Uint8Array(distance + 200)
      source.set(piece)
      source.set(piece, distance)
      const packed = packLz4(source, source.length) as Uint8Array
      expect(unpackLz4(packed, source.length)).toEqual(source)
      expect(matchesOf(packed).some(({ offset }) => offset === distance)).toBe(isFound)
    }
  })

  it('of bytes that nobody packed gives what it was to give, or nothing', () => {
    const random = seededRandom(2)
    const source = Buffer.from(Array.from({ length: 200 }, (_, i) => `key ${i} value ${i % 7}`).join(''))
    const packed = packLz4(source, source.length) as Uint8Array
    let refused = 0
    for (let i = 0; i < 20_000; i++) {
      const bytes = i % 10 === 0 ? random.bytes(i % 100) : mutate(packed, random)
      const rawLength = i % 3 === 0 ? source.length : Math.floor(random.next() * 5000)
      const unpacked = unpackLz4(bytes, rawLength)
      if (unpacked === undefined) refused++
      else expect(unpacked.length).toBe(rawLength)
    }
    expect(refused).toBeGreaterThan(10_000)
  })
})

/** The matches of a block that is whole: where each begins in what was packed. */
function matchesOf(packed: Uint8Array): { at: number; offset: number; length: number }[] {
  const matches: { at: number; offset: number; length: number }[] = []
  let next = 0
  let at = 0
  const lengthOf = (nibble: number): number => {
    let length = nibble
    for (let more = nibble === 15 ? 255 : 0; more === 255; length += more) more = packed[next++] as number
    return length
  }
  for (;;) {
    const token = packed[next++] as number
    const literals = lengthOf(token >> 4)
    next += literals
    at += literals
    if (next >= packed.length) return matches
    const offset = (packed[next] as number) + 256 * (packed[next + 1] as number)
    next += 2
    const length = lengthOf(token & 15) + 4
    matches.push({ at, offset, length })
    at += length
  }
}
